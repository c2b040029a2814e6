"""How fast the job store is, beside the bare database in the same run: `python -m benchmarks.jobs [--json]`.

Every commit is durable: SQLite with synchronous=FULL, Postgres with fsync and synchronous_commit, in its own server.
The yardstick is a loop of `INSERT … COMMIT` of the same bytes into one table with nothing around it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from serving.jobs.job import Draft, Job, JobId, TenantId, new_id
from serving.jobs.records import Receipt
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store
from tests.postgres import Server, missing

TENANT = TenantId("t-bench")
TOGETHER = 32  # clients of a gateway that submit at the same time
ORDER = json.dumps({"prompt": "a red circle bounces " * 20, "seed": 7})  # 450 bytes, as a real one


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table."""

    database: str
    what: str
    per_s: float
    p50_ms: float
    p99_ms: float
    wanted_per_s: int | None = None


def timed(
    database: str, what: str, calls: int, threads: int, call: Callable[[int], object], wanted: int | None = None
) -> Figure:
    """`calls` calls by `threads` threads."""

    def one(n: int) -> float:
        begun = time.perf_counter()
        call(n)
        return time.perf_counter() - begun

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        took = sorted(pool.map(one, range(calls)))
    whole = time.perf_counter() - begun
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
    name = f"{what}, {threads} thread{'s' if threads > 1 else ''}"
    return Figure(
        database=database,
        what=name,
        per_s=calls / whole,
        p50_ms=1000 * statistics.median(took),
        p99_ms=1000 * p99,
        wanted_per_s=wanted,
    )


def draft() -> Draft:
    """A job like a client's, with a key of its own."""
    job = new_id(os.urandom(16))
    return Draft(id=job, tenant=TENANT, order=ORDER, fingerprint=job, estimated_ms=1000, chunks=8, idempotency_key=job)


def yardstick(database: str, insert: Callable[[str, str], object], calls: int) -> Figure:
    """The database alone, one thread."""
    return timed(database, "bare INSERT, COMMIT", calls, 1, lambda _: insert(os.urandom(16).hex(), ORDER))


def figures(database: str, store: SqlStore, calls: int) -> Iterator[Figure]:
    """What the store does, in the order of a job's life."""
    ids: list[JobId] = []

    def submit(_: int) -> None:
        ids.append(store.submit(draft()).job.id)

    yield timed(database, "submit", calls, 1, submit)
    yield timed(database, "submit", calls, 8, submit, 300)
    yield together(database, store, calls)
    yield timed(database, "poll", 4 * calls, 1, lambda n: store.get(TENANT, ids[n % len(ids)]))
    yield timed(database, "poll", 4 * calls, 4, lambda n: store.get(TENANT, ids[n % len(ids)]), 1000)
    yield timed(database, "page of 20 with total", calls // 4, 1, lambda _: store.list(TENANT))
    claimed: list[Job] = []
    yield timed(database, "claim", calls, 1, lambda _: claimed.extend(store.claim("studio")))
    yield timed(database, "renew", calls, 1, lambda n: store.renew(claimed[n].id, claimed[n].fence))
    yield timed(
        database, "checkpoint of 4 KiB", calls, 1,
        lambda n: store.checkpoint(claimed[n].id, 0, claimed[n].fence, bytes(4096)),
    )  # fmt: skip
    yield timed(
        database, "complete", calls, 1,
        lambda n: store.complete(claimed[n].id, claimed[n].fence, result="{}", usage="{}", keep_ms=10**8),
    )  # fmt: skip


def together(database: str, store: SqlStore, calls: int) -> Figure:
    """Submits that share transactions, as a gateway's do; each waits as long as its batch."""

    def batch(_: int) -> None:
        assert all(isinstance(told, Receipt) for told in store.submit_all([draft() for _ in range(TOGETHER)]))

    told = timed(database, f"submit, {TOGETHER} in a transaction", max(1, calls // TOGETHER), 1, batch, 300)
    return replace(told, per_s=told.per_s * TOGETHER)


@contextmanager
def sqlite(home: Path, calls: int) -> Iterator[tuple[Figure, SqlStore]]:
    """A store in a file, and its yardstick."""
    raw = sqlite3.connect(home / "bare.db", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        raw.execute(f"PRAGMA {pragma}")
    raw.execute("CREATE TABLE bare (id TEXT PRIMARY KEY, body TEXT)")
    raw.close()
    local = sqlite3.connect(home / "bare.db", isolation_level=None, check_same_thread=False)
    local.execute("PRAGMA synchronous = FULL")
    bare = yardstick("SQLite", lambda i, body: local.execute("INSERT INTO bare VALUES (?, ?)", (i, body)), calls)
    local.close()
    store = open_store(f"sqlite:///{home / 'jobs.db'}", Rules(lease_ms=3_600_000))
    yield bare, store
    store.close()


@contextmanager
def postgres(home: Path, calls: int) -> Iterator[tuple[Figure, SqlStore]]:
    """A store in a private server, and its yardstick."""
    server = Server(home / "pg", durable=True)
    server.start()
    try:
        with psycopg.connect(server.address(), autocommit=True) as wire:
            wire.execute("CREATE TABLE bare (id TEXT PRIMARY KEY, body TEXT)")
            bare = yardstick(
                "Postgres", lambda i, body: wire.execute("INSERT INTO bare VALUES (%s, %s)", (i, body)), calls
            )
        store = open_store(server.address(), Rules(lease_ms=3_600_000))
        yield bare, store
        store.close()
    finally:
        server.stop("immediate")


def measure(calls: int, console: Console) -> list[Figure]:
    """Everything, on every database that is here."""
    kinds = [("SQLite", sqlite)]
    if (reason := missing()) is None:
        kinds.append(("Postgres", postgres))
    else:
        console.print(f"Postgres is left out. {reason}")
    found: list[Figure] = []
    for name, kind in kinds:
        home = Path(tempfile.mkdtemp(prefix="equerry-bench-"))
        home.chmod(0o755)  # the server's user has to pass
        with kind(home, calls) as (bare, store):
            rows = track(figures(name, store, calls), f"{name}", total=10, console=console)
            found += [bare, *rows]
        shutil.rmtree(home)
    return found


def main(
    calls: Annotated[int, typer.Option(help="Calls of each kind; polls are four times as many.", min=8)] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure submit, poll, claim, checkpoint and complete with durable commits, beside the bare database."""
    found = measure(calls, Console(stderr=True))
    if as_json:
        typer.echo(json.dumps({"cores": os.cpu_count(), "figures": [asdict(f) for f in found]}, indent=2))
        return
    table = Table("database", "what", "per second", "wanted", "p50 ms", "p99 ms")
    for f in found:
        wanted = "" if f.wanted_per_s is None else f"{f.wanted_per_s:,}"
        table.add_row(f.database, f.what, f"{f.per_s:,.0f}", wanted, f"{f.p50_ms:.2f}", f"{f.p99_ms:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
