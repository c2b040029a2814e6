"""Promises under overload, beside first come, first served in the same run: `python -m benchmarks.overload [--json]`.

A discrete-event simulation over the real parts: the SQLite job store with a clock of its own, its claim order, and the
real admission. Simulated are the clients, who come at random three times as fast as the cell can work, and the hands,
which take a film's true time (the cell's guess, wrong by a random factor) and then complete it. First come, first
served is the same store and the same arrivals without admission and without classes; its ETA is the line before a film,
which nobody overtakes, at the middle speed of such films.
"""

from __future__ import annotations

import heapq
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model.clip import Mode, Size
from policies.money import Currency
from policies.prices import load_prices
from policies.promises import Timing, kept
from policies.sla import Availability, Service, Sla, VideoTime, load_sla
from serving.admission import Admission, Offer
from serving.desk import Caller
from serving.errors import Limited
from serving.jobs.job import Draft, Job, JobId, State, TenantId
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store
from serving.meter.usage import written
from serving.sla.line import line_of
from serving.sla.terms import Terms
from serving.wish import Wish

START = 1_795_000_000_000  # ms
HANDS = 8
SECOND_MS = 1_500  # that a second of film takes a hand, at the middle
ERROR = 0.15  # of a film's true time against the middle, as a standard deviation of its logarithm
MIX = {"gold": 0.2, "silver": 0.5, "bronze": 0.3}  # of all requests
LENGTHS = (4, 5, 6, 8, 10)  # seconds of film
SIZES = (Size(832, 480), Size(1280, 720))
CALM, AFTER, USUAL = 5.0, 30.0, 0.6  # minutes before and after, and the load then
RATE_OF_SIZE = {480: 1.0, 720: 2.2}
ASK_MS = 15_000  # between two times that waiting clients ask for their film


def services() -> Sla:
    """Three classes whose promises differ in patience: 20 s, 2 minutes, an hour."""
    shipped = load_sla()

    def one(name: str, percentile: int, wait_s: int, per_second_ms: int) -> Service:
        times = tuple(
            VideoTime(resolution=each.resolution, base_ms=10_000, per_second_ms=per_second_ms)
            for each in shipped.services[0].video
        )
        return Service(
            name=name,
            availability=Availability(inside=990_000, total=900_000),
            percentile=percentile,
            queue_wait_ms=wait_s * 1000,
            video=times,
        )

    classes = (one("gold", 99, 20, 6_000), one("silver", 95, 120, 12_000), one("bronze", 90, 3_600, 60_000))
    return shipped.model_copy(update={"services": classes, "version": "bench"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One client's film."""

    at: int  # ms since the start
    service: str
    seconds: int
    size: Size
    true_ms: int  # that it takes a hand
    id: JobId


@dataclass(slots=True)
class Made:
    """What became of one class."""

    asked: int = 0
    taken: int = 0
    done: int = 0
    kept: int = 0
    errors: list[float] = field(default_factory=list)  # of the first ETA, relative
    halfway: list[float] = field(default_factory=list)  # of the ETA that was told when half of the time was over
    waits: list[int] = field(default_factory=list)  # ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One class under one rule."""

    rule: str
    service: str
    asked: int
    taken: int
    done: int
    kept: float  # of what was taken on
    eta_error: float | None  # median of the absolute error, relative to how long it took
    halfway_error: float | None  # the same, of what was told when half of that was over
    wait_p50_s: float
    wait_p99_s: float


def arrivals(rng: random.Random, minutes: float, load: float) -> Iterator[Request]:
    """Clients that come at random: a calm, then `load` times as fast as the cell can work, then a calm again."""
    for begin, end, speed in ((-CALM, 0.0, USUAL), (0.0, minutes, load), (minutes, minutes + AFTER, USUAL)):
        yield from _stretch(rng, begin * 60_000, end * 60_000, speed)


def _stretch(rng: random.Random, begin: float, end: float, load: float) -> Iterator[Request]:
    films = [(seconds, size) for seconds in LENGTHS for size in SIZES]
    mean = sum(seconds * SECOND_MS * RATE_OF_SIZE[size.height] for seconds, size in films) / len(films)
    at = begin
    while (at := at + rng.expovariate(HANDS * load / mean)) < end:
        seconds, size = rng.choice(films)
        true = seconds * SECOND_MS * RATE_OF_SIZE[size.height] * rng.lognormvariate(0, ERROR)
        yield Request(
            at=round(at),
            service=rng.choices(list(MIX), list(MIX.values()))[0],
            seconds=seconds,
            size=size,
            true_ms=round(true),
            id=JobId(rng.randbytes(16).hex()),
        )


class World:
    """A store, its clock, and hands that work in simulated time."""

    def __init__(
        self,
        store: SqlStore,
        clock: list[int],
        enter: Callable[[Request], Draft],
        end: int,
        foretell: Callable[[Job], tuple[int, int] | None] = lambda _: None,
    ) -> None:
        """`end` is that of the overload, in milliseconds since the start; `foretell` says place and ETA of a job."""
        self.store, self.clock, self.enter, self.end, self.calm = store, clock, enter, end, Made()
        self.foretell = foretell
        self.told: dict[JobId, list[tuple[int, int]]] = {}  # when a client asked, and for when its film was foretold
        self.asked_at = 0  # when all who wait asked last
        self.busy: list[tuple[int, JobId, int]] = []  # when a hand is free again, and of which job and fence
        self.asked: dict[JobId, Request] = {}
        self.made = {name: Made() for name in MIX}
        self.taken: set[JobId] = set()

    def run(self, requests: Sequence[Request], tick: Callable[[], None]) -> None:
        """All requests, and then until nothing is left."""
        for request in requests:
            self._until(START + request.at)
            self._submit(request)
            self._claim()
            self._ask()
            tick()
        self._until(2**62)

    def of(self, request: Request) -> Made:
        """Where a request counts: what comes in the calm counts nowhere."""
        return self.made[request.service] if 0 <= request.at < self.end else self.calm

    def _submit(self, request: Request) -> None:
        made = self.of(request)
        made.asked += 1
        try:
            job = self.store.submit(self.enter(request)).job
        except Limited:
            return
        made.taken += 1
        self.asked[job.id] = request
        self.taken.add(job.id)

    def _ask(self) -> None:
        """All who wait ask when their film will be there."""
        now = self.clock[0]
        if now - self.asked_at < ASK_MS:
            return
        self.asked_at = now
        for job in self.store.board([State.QUEUED], limit=1 << 16):
            seen = self.foretell(job)
            if seen is not None:
                self.told.setdefault(job.id, []).append((now, now + seen[1]))

    def _halfway(self, job: Job) -> list[float]:
        """The relative error of what was told last before half of a job's time was over; none if nothing was."""
        assert job.finished is not None
        took = job.finished - job.created
        told = [foretold for at, foretold in self.told.pop(job.id, ()) if at <= job.created + took / 2]
        return [abs(told[-1] - job.finished) / took] if told else []

    def _until(self, end: int) -> None:
        while self.busy and self.busy[0][0] <= end:
            self.clock[0], job, fence = heapq.heappop(self.busy)
            self._complete(job, fence)
            self._claim()
        self.clock[0] = min(end, max(self.clock[0], end)) if end < 2**62 else self.clock[0]

    def _claim(self) -> None:
        free = HANDS - len(self.busy)
        for job in self.store.claim("hands", free) if free else ():
            heapq.heappush(self.busy, (self.clock[0] + self.asked[job.id].true_ms, job.id, job.fence))

    def _complete(self, job: JobId, fence: int) -> None:
        request, found = self.asked[job], self.store.look(job)
        line = written(found.terms, **_measured(request), key="k", model="equerry", ordered=found.created)
        done = self.store.complete(job, fence, result="{}", usage=line, keep_ms=86_400_000)
        made = self.of(request)
        made.done += 1
        assert done.started is not None
        assert done.finished is not None
        took, waited = done.finished - done.created, done.started - done.created
        made.waits.append(waited)
        terms = Terms.read(done.terms)
        if terms is not None:
            made.kept += kept(terms.promise, Timing(waited_ms=waited, video_ms=took)).whole
            made.errors.append(abs(terms.eta_ms - took) / took)
            made.halfway += self._halfway(done)


def _measured(request: Request) -> dict[str, int]:
    size = request.size
    return {"width": size.width, "height": size.height, "ms": request.seconds * 1000, "hand_ms": request.true_ms}


def plain(offer: Offer, store: SqlStore) -> Callable[[Request], Draft]:
    """First come, first served: the terms are written down, and nobody looks at them."""
    from policies.clip_facts import ClipFacts, resolution_of
    from policies.clip_facts import Mode as Priced
    from policies.promises import promise

    def enter(request: Request) -> Draft:
        facts = ClipFacts(
            mode=Priced.T2V,
            resolution=resolution_of(request.size.width, request.size.height),
            output_ms=request.seconds * 1000,
        )
        promised = promise(offer.sla.by_name(request.service), facts)
        terms = Terms(
            service=request.service,
            percentile=promised.percentile,
            wait_ms=promised.queue_wait_ms,
            video_ms=promised.video_ms,
            eta_ms=_behind_all(store, _middle(request)),
            mode=facts.mode,
            resolution=facts.resolution,
            output_ms=facts.output_ms,
            input_ms=0,
            work=1,
            currency=Currency.EUR,
            price=0,
            book="",
            version="",
            promotion=None,
            keep_ms=0,
        )
        return replace(draft(request), terms=terms.write(), estimated_ms=_middle(request))

    return enter


def _middle(request: Request) -> int:
    """What such films take a hand; milliseconds."""
    return round(request.seconds * SECOND_MS * RATE_OF_SIZE[request.size.height])


def _behind_all(store: SqlStore, cost_ms: int) -> int:
    line = line_of(store.now(), HANDS, *store.line(1 << 20))
    return line.starts_with(len(line.waiting), cost_ms)[-1] + cost_ms


def draft(request: Request) -> Draft:
    """A job without terms."""
    return Draft(
        id=request.id, tenant=TenantId("t-bench"), order="{}", fingerprint=request.id, estimated_ms=1_000, chunks=1
    )


def admitted(admission: Admission) -> Callable[[Request], Draft]:
    """By the real admission."""

    def enter(request: Request) -> Draft:
        caller = Caller(tenant="t-bench", key="k", data_class="personal", decision=request.id, sla=request.service)
        wish = Wish(
            dialect="native",
            model="equerry",
            mode=Mode.T2V,
            prompt="",
            size=request.size,
            seconds=request.seconds,
            seed=1,
        )
        return admission.agree(draft(request), caller, wish, 0)

    return enter


def simulate(rule: str, seed: int, minutes: float, load: float, progress: Callable[[float], None]) -> list[Row]:
    """One run under one rule, from an empty cell that has made nothing yet."""
    requests = list(arrivals(random.Random(seed), minutes, load))
    clock = [START - round(CALM * 60_000)]
    offer = Offer(
        sla=services(),
        books=[load_prices()],
        currency=Currency.EUR,
        keep_ms=86_400_000,
        region="bench/one",
        look_ms=1,  # once for all who ask at one moment
        learn_ms=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        address = f"sqlite:///{Path(folder) / 'jobs.sqlite'}"
        store = open_store(address, Rules(patience_ms=0), clock=lambda: clock[0])
        admission = Admission(store, offer, work=_work, hands=lambda: HANDS, clock=lambda: clock[0])
        end = round(minutes * 60_000)
        if rule == "first come":
            world = World(store, clock, plain(offer, store), end)
        else:
            world = World(store, clock, admitted(admission), end, admission.foretell)
        world.run(requests, lambda: progress(clock[0] - START))
        lost = world.taken - {each.job for each in store.usage()}
        assert not lost, f"{len(lost)} jobs that were taken on were not made"
        store.close()
    everybody = Made()
    for made in world.made.values():
        everybody.asked, everybody.taken = everybody.asked + made.asked, everybody.taken + made.taken
        everybody.done, everybody.kept = everybody.done + made.done, everybody.kept + made.kept
        everybody.errors, everybody.waits = everybody.errors + made.errors, everybody.waits + made.waits
        everybody.halfway += made.halfway
    return [_row(rule, name, made) for name, made in {**world.made, "all": everybody}.items()]


def _work(_mode: Mode, _size: Size, seconds: int, _references: int) -> int:
    return seconds * 1_000_000


def _row(rule: str, name: str, made: Made) -> Row:
    waits = sorted(made.waits) or [0]
    return Row(
        rule=rule,
        service=name,
        asked=made.asked,
        taken=made.taken,
        done=made.done,
        kept=made.kept / max(1, made.taken),
        eta_error=median(made.errors) if made.errors else None,
        halfway_error=median(made.halfway) if made.halfway else None,
        wait_p50_s=median(waits) / 1000,
        wait_p99_s=waits[int(0.99 * (len(waits) - 1))] / 1000,
    )


def main(
    minutes: Annotated[float, typer.Option(help="Simulated minutes of arrivals.", min=0.1)] = 10,
    load: Annotated[float, typer.Option(help="Arrivals, as a multiple of what the cell can make.", min=0.1)] = 3,
    seed: Annotated[int, typer.Option(help="Of clients and films.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Promises kept under overload, with admission and without."""
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), disable=as_json) as bar:
        for rule in ("first come", "admission"):
            task = bar.add_task(rule, total=(minutes + AFTER) * 60_000)
            rows += simulate(rule, seed, minutes, load, lambda ms, task=task: bar.update(task, completed=ms))  # type: ignore[misc]  # bound at once
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("rule", "class", "asked", "taken on", "made", "kept", "ETA error", "halfway", "wait p50", "wait p99")
    for row in rows:
        errors = ("" if each is None else f"{each:.1%}" for each in (row.eta_error, row.halfway_error))
        numbers = (str(row.asked), str(row.taken), str(row.done), f"{row.kept:.1%}", *errors)
        table.add_row(row.rule, row.service, *numbers, f"{row.wait_p50_s:.1f} s", f"{row.wait_p99_s:.1f} s")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
