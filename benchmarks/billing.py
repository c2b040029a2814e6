"""Whether bills are right when everything goes wrong: `python -m benchmarks.billing [--jobs 10000] [--json]`.

Studios are processes that are killed at random and started again; they complete films twice, hand jobs back and fail
some. Clients send a third of their requests twice or more, under one key, through four gateways, and cancel a few. In
the end the statement is compared, to the cent, with what the clients themselves wrote down when each film was agreed.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.process
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.money import Currency, Money
from policies.prices import load_prices, quote
from serving.errors import CellError, NotPossible, StaleFence, Unavailable
from serving.jobs.job import Draft, JobId, State, TenantId, new_id
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store
from serving.meter.month import month_of
from serving.meter.reconcile import reconcile
from serving.meter.statement import statement
from serving.meter.usage import read, written
from serving.sla.terms import Terms

T = TypeVar("T")
RULES: Final = Rules(lease_ms=2_000, most_attempts=1_000, poll_ms=100, patience_ms=10_000)
TENANTS: Final = tuple(TenantId(f"t-{n:016x}") for n in range(4))
STUDIOS: Final = 4
GATEWAYS: Final = 4
KILLS: Final = 60  # of studios, spread over all films


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What happened, and whether the bills are right."""

    jobs: int
    sent: int  # requests, repeats included
    delivered: int
    killed: int  # studios
    tries: int  # claims in all
    billed: int
    owed: int  # cents, by the clients' own notes
    stated: int  # cents, by the statements
    findings: int  # of the reconciliation
    seconds: float


def terms(rng: random.Random, at: int) -> Terms:
    """An agreement about some film."""
    facts = ClipFacts(
        mode=rng.choice((Mode.T2V, Mode.I2V, Mode.R2V)),
        resolution=rng.choice(tuple(Resolution)),
        output_ms=1_000 * rng.randint(1, 15),
    )
    found = quote(load_prices(), facts, Currency.EUR, at)
    return Terms(
        service="standard",
        percentile=95,
        wait_ms=300_000,
        video_ms=600_000,
        eta_ms=1,
        mode=facts.mode,
        resolution=facts.resolution,
        output_ms=facts.output_ms,
        input_ms=0,
        work=1_000,
        currency=Currency.EUR,
        price=found.total.amount,
        book=found.book,
        version=found.version,
        promotion=found.promotion,
        keep_ms=86_400_000,
    )


def drafts(rng: random.Random, jobs: int, at: int) -> Iterator[Draft]:
    """Clients' requests; the id is the gateway's, the key the client's."""
    for _ in range(jobs):
        key = rng.randbytes(8).hex()
        yield Draft(
            id=new_id(rng.randbytes(16)),
            tenant=rng.choice(TENANTS),
            order="{}",
            fingerprint=key,
            estimated_ms=10,
            chunks=1,
            idempotency_key=key,
            terms=terms(rng, at).write(),
            due_within_ms=300_000,
            key="k1",
        )


def send(store: SqlStore, wanted: Sequence[Draft], seed: str) -> tuple[dict[str, int], int]:
    """One gateway's requests; prices by job as the client was told, and how many requests that took."""
    rng, told, sent = random.Random(seed), dict[str, int](), 0
    for start in range(0, len(wanted), 32):
        batch = [
            again
            for each in wanted[start : start + 32]
            for again in [each]
            + [_again(each, rng)] * (rng.random() < 0.3)
            + [_again(each, rng)] * (rng.random() < 0.1)
        ]
        rng.shuffle(batch)
        while True:
            sent += len(batch)
            receipts = store.submit_all(batch)
            if all(not isinstance(each, CellError) for each in receipts):
                break
        for receipt in receipts:
            assert not isinstance(receipt, CellError)
            agreed = Terms.read(receipt.job.terms)
            assert agreed is not None
            told[receipt.job.id] = agreed.price
            if receipt.fresh and rng.random() < 0.02:
                _cancel(store, receipt.job.tenant, receipt.job.id)
    return told, sent


def _again(draft: Draft, rng: random.Random) -> Draft:
    """The same request once more, with another id, as a client's retry has."""
    from dataclasses import replace

    return replace(draft, id=new_id(rng.randbytes(16)))


def _cancel(store: SqlStore, tenant: TenantId, job: JobId) -> None:
    try:
        store.cancel(tenant, job)
    except (NotPossible, Unavailable):
        return


def work(address: str, name: str) -> None:
    """One studio, until it is killed."""
    store, rng = open_store(address, RULES, migrated=False), random.Random(name)
    while True:
        try:
            store.wait_for_work(0.2)
            for job in store.claim(name, 16):
                _make(store, rng, job.id, job.fence, job.terms, job.created)
        except (StaleFence, NotPossible, Unavailable):
            continue


def _make(store: SqlStore, rng: random.Random, job: JobId, fence: int, agreed: str, ordered: int) -> None:
    fate = rng.random()
    if fate < 0.03:
        store.hand_back(job, fence)
        return
    if fate < 0.06:
        store.fail(job, fence, error="generation_failed", text="x")
        return
    facts = Terms.read(agreed)
    assert facts is not None
    told = {"ms": facts.output_ms, "width": 1, "height": 1, "model": "m", "key": "k1", "ordered": ordered}
    for _ in range(1 + (fate < 0.3)):  # a third is replayed, as after a lost answer
        try:
            store.complete(job, fence, result="{}", usage=written(agreed, **told), keep_ms=86_400_000)
        except NotPossible:
            store.stop(job, fence)
            return


class Crew:
    """Studios as processes, of which one is killed every now and then."""

    def __init__(self, address: str, jobs: int) -> None:
        self.address, self.number, self.killed = address, 0, 0
        self._context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may hang
        self._context.set_forkserver_preload(["serving.jobs.sql.store", "serving.meter.usage"])
        self._each = max(1, jobs // KILLS)  # films between two kills
        self.studios = [self._start() for _ in range(STUDIOS)]

    def _start(self) -> multiprocessing.process.BaseProcess:
        self.number += 1
        studio = self._context.Process(target=work, args=(self.address, f"studio-{self.number}"), daemon=True)
        studio.start()
        return studio

    def harm(self, rng: random.Random, delivered: int) -> None:
        """Kill one, when it is time."""
        if delivered < (self.killed + 1) * self._each:
            return
        victim = self.studios.pop(rng.randrange(STUDIOS))
        victim.kill()
        victim.join()
        self.killed += 1
        self.studios.append(self._start())

    def end(self) -> None:
        """Kill all."""
        for each in self.studios:
            each.kill()
            each.join()


def run(address: str, jobs: int, seed: int, progress: Progress) -> Result:
    """The whole story on an empty store."""
    begun, rng = time.monotonic(), random.Random(seed)
    store = open_store(address, RULES)
    wanted = list(drafts(rng, jobs, store.now()))
    crew = Crew(address, jobs)
    try:
        with ThreadPoolExecutor(GATEWAYS) as pool:
            parts = [wanted[n::GATEWAYS] for n in range(GATEWAYS)]
            sending = [pool.submit(send, store, part, f"{seed} gateway {n}") for n, part in enumerate(parts)]
            task = progress.add_task("jobs", total=jobs)
            while not all(each.done() for each in sending) or _steadily(lambda: _open(store)):
                delivered = len(_steadily(store.usage))
                crew.harm(rng, delivered)
                _steadily(store.reap)
                progress.update(task, completed=delivered)
                time.sleep(0.05)
        told = {job: price for each in sending for job, price in each.result()[0].items()}
        sent = sum(each.result()[1] for each in sending)
    finally:
        crew.end()
    result = check(store, told, jobs, sent, crew.killed, time.monotonic() - begun)
    store.close()
    return result


def _steadily(call: Callable[[], T]) -> T:
    """What a call answers once the store is free: a studio that is killed in mid-write holds it up for a while."""
    while True:
        try:
            return call()
        except Unavailable:
            time.sleep(0.1)


def _open(store: SqlStore) -> int:
    backlog = store.backlog()
    return backlog.queued + backlog.running


def check(store: SqlStore, told: dict[str, int], jobs: int, sent: int, killed: int, seconds: float) -> Result:
    """Statements against the clients' notes, and the bills against the jobs."""
    all_jobs = store.board(limit=10 * jobs)
    done = {job.id for job in all_jobs if job.state is State.SUCCEEDED}
    rows, books, month = [read(row) for row in store.usage()], [load_prices()], month_of(store.now())
    statements = [statement(tenant, month, rows, books, Currency.EUR) for tenant in TENANTS]
    zero = Money(0, Currency.EUR)
    found = reconcile(month, rows, store.delivered_between(0, 2**62), None, books, Currency.EUR)
    assert len(all_jobs) == jobs, "a request was lost, or became two jobs"
    return Result(
        jobs=jobs,
        sent=sent,
        delivered=len(done),
        killed=killed,
        tries=sum(job.fence for job in all_jobs),
        billed=len(rows),
        owed=sum(told[job] for job in done),
        stated=sum(each.totals.get(Currency.EUR, zero).amount for each in statements),
        findings=len(found.findings),
        seconds=round(seconds, 1),
    )


def main(
    jobs: Annotated[int, typer.Option(help="Films that are asked for.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of everything that goes wrong.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    address: Annotated[str, typer.Option(help="An empty job store; without one, SQLite in a new folder.")] = "",
) -> None:
    """Bills under kills, replays and retries."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(console=Console(stderr=True), disable=as_json, transient=True) as progress,
    ):
        result = run(address or f"sqlite:///{Path(folder) / 'jobs.sqlite'}", jobs, seed, progress)
    if as_json:
        typer.echo(json.dumps(asdict(result), indent=2))
    else:
        table = Table("what", "number")
        for name, value in asdict(result).items():
            table.add_row(name, f"{value:,}")
        Console().print(table)
    right = result.owed == result.stated and result.billed == result.delivered and not result.findings
    raise typer.Exit(0 if right else 1)


if __name__ == "__main__":
    typer.run(main)
