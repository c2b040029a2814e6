"""How fast a cell's doors are over HTTP, beside bare applications in the same run: `python -m benchmarks.doors`.

Each door is a process of its own, asked by clients that keep their connections. `server ms` is processor time of that
process for each answer, `client ms` that of the clients, which stand in a process of their own too; both depend little
on what else the machine does. Commits are durable: SQLite with synchronous=FULL, Postgres with fsync and
synchronous_commit, in a server of its own, and before a submit is answered its decision is in the log under a signed
head. In the end the gateway is killed, and every job that was answered must be in the database. The yardsticks are an
application that answers with a constant, and one write with an fsync on the same disk (`benchmarks.jobs` has more on
the stores alone).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.doors_load import Load, load, request
from serving.demo.cells import DemoCell, equerry, free_ports
from serving.home import Site
from serving.jobs.job import JobId, State
from serving.jobs.sql.store import open_store
from serving.parts import database
from serving.settings_file import load as load_settings
from tests.postgres import Server, missing

SITE, NEIGHBOUR = Site(cell="eu-par", country="FR", city="Paris"), Site(cell="jp-tyo", country="JP", city="Tokyo")
PROMPT = "a red circle bounces " * 20
TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = """
[limits]
queue = 1000000
queue_per_tenant = 1000000

[sla]
on = false

[database]
url = "{url}"
"""  # no promise about when films begin, else most of these submits would be told to come later
START_S = 300.0  # on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table."""

    door: str
    what: str
    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float
    server_ms: float  # of processor time, for each answer
    client_ms: float = 0.0  # the same, of who asks
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """A process that listens."""

    port: int
    process: int

    def measured(
        self, door: str, what: str, ask: Callable[[int], bytes], calls: int, clients: int, wanted: str = ""
    ) -> tuple[Figure, Load]:
        """One row, and what the clients saw."""
        before = _spent(self.process)
        seen = load(self.port, ask, calls, clients)
        figure = Figure(
            door=door,
            what=what,
            clients=clients,
            per_s=seen.per_s,
            p50_ms=seen.quantile_ms(0.5),
            p99_ms=seen.quantile_ms(0.99),
            server_ms=1000 * (_spent(self.process) - before) / calls,
            client_ms=1000 * seen.spent / calls,
            wanted=wanted,
        )
        return figure, seen


def _spent(process: int) -> float:
    """Seconds of processor time so far (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def opened(kind: str, folder: Path | None = None) -> Iterator[Door]:
    """A door that is open until the block is left."""
    port = free_ports()
    command = [sys.executable, "-m", "benchmarks.doors_cell", kind, str(port), *([str(folder)] if folder else [])]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        end = time.monotonic() + START_S
        while not _answers(port):
            assert process.poll() is None, f"the door {kind} ended by itself"
            assert time.monotonic() < end, f"the door {kind} did not open"
            time.sleep(0.1)
        yield Door(port, process.pid)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def made(folder: Path, database: str) -> DemoCell:
    """A cell that takes any number of jobs, on this database."""
    cell = DemoCell(SITE, folder, free_ports())
    cell.make(NEIGHBOUR)
    more = SETTINGS.format(url=database)
    with (folder / "cell.toml").open("a", encoding="utf-8") as settings:
        settings.write(more)
    equerry("cell", "settings", folder)
    return cell


def film(key: str, number: int) -> bytes:
    """A request for a film that nobody else asks for."""
    body = {"prompt": f"{PROMPT}{number}", "seconds": "2", "size": "64x64", "seed": number}
    return request("POST", "/v1/videos", key, json.dumps(body).encode())


def cells(kind: str, cell: DemoCell, calls: int, clients: int) -> Iterator[Figure]:
    """Submits, then polls, of a whole gateway."""
    with opened("cell", cell.folder) as door:
        door.measured(kind, "warm-up", lambda n: film(cell.key, 2 * 10**6 + n), 50, clients)
        one, _ = door.measured(kind, "submit, durable", lambda n: film(cell.key, 10**6 + n), max(20, calls // 20), 1)
        many, seen = door.measured(kind, "submit, durable", lambda n: film(cell.key, n), calls, clients, "300 /s")
        ids = [json.loads(body)["id"] for body in seen.bodies]
        polls = [request("GET", f"/v1/videos/{each}", cell.key) for each in ids]
        few, _ = door.measured(kind, "poll", lambda n: polls[n % len(polls)], calls, 1)
        poll, _ = door.measured(kind, "poll", lambda n: polls[n % len(polls)], 2 * calls, clients, "1,000 /s")
        yield from (one, many, few, poll)
    held(cell, ids)


def held(cell: DemoCell, ids: Sequence[str]) -> None:
    """Raises AssertionError unless every job that was answered is there after the gateway was killed."""
    store = open_store(database(load_settings(cell.folder / "cell.toml")))
    try:
        missing_ids = [each for each in ids if store.look(JobId(each.removeprefix("video_"))).state is not State.QUEUED]
    finally:
        store.close()
    assert not missing_ids, f"{len(missing_ids)} jobs that were answered do not wait"


def disk(folder: Path, calls: int) -> Figure:
    """What one durable write takes here just now: of 4 KiB, with an fsync."""
    place, took, spent = os.open(folder / "disk", os.O_CREAT | os.O_WRONLY), [], time.thread_time()
    try:
        for _ in range(calls):
            begun = time.perf_counter()
            os.write(place, bytes(4096))
            os.fsync(place)
            took.append(time.perf_counter() - begun)
    finally:
        os.close(place)
    took.sort()
    return Figure(
        door="disk",
        what="4 KiB and fsync",
        clients=1,
        per_s=calls / sum(took),
        p50_ms=1000 * took[calls // 2],
        p99_ms=1000 * took[int(0.99 * calls)],
        server_ms=1000 * (time.thread_time() - spent) / calls,
    )


def inside(cell: DemoCell, calls: int) -> Figure:
    """What the gate alone adds, by its thread's own clock, which stands still while other work has the processor."""
    from benchmarks.doors_cell import added

    took = added(cell.folder, cell.key, calls)
    p50, p99 = (1000 * took[int(share * len(took))] for share in (0.5, 0.99))
    return Figure(
        door="gate alone",
        what="processor time of one request",
        clients=1,
        per_s=len(took) / sum(took),
        p50_ms=p50,
        p99_ms=p99,
        server_ms=1000 * sum(took) / len(took),
        wanted="p99 1 ms",
    )


def doors(calls: int, clients: int, console: Console) -> Iterator[Figure]:
    """Everything that can be measured here."""
    home = Path(tempfile.mkdtemp(prefix="equerry-doors-"))
    home.chmod(0o755)  # a server's own user has to pass
    try:
        yield disk(home, 100)
        cell = made(home / "sqlite", "sqlite")
        look = request("GET", "/v1/videos/video_" + "0" * 32, cell.key)
        for kind, wanted in (("bare", ""), ("gate", "")):
            with opened(kind, cell.folder if kind == "gate" else None) as door:
                for each in (1, clients):
                    door.measured(kind, "", lambda _: look, 200, each)
                    yield door.measured(kind, "a constant", lambda _: look, 2 * calls, each, wanted)[0]
        yield inside(cell, 5 * calls)
        yield from cells("cell, SQLite", cell, calls, clients)
        if (reason := missing()) is not None:
            console.print(f"Postgres is left out. {reason}")
            return
        server = Server(home / "pg", durable=True)
        server.start()
        try:
            yield from cells("cell, Postgres", made(home / "postgres", server.address()), calls, clients)
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(home)


def main(
    calls: Annotated[int, typer.Option(help="Submits; polls are twice as many.", min=100)] = 2000,
    clients: Annotated[int, typer.Option(help="Connections at once.", min=2, max=500)] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure submit and poll through the gate, the dialects and the store, beside bare applications."""
    console = Console(stderr=True)
    found = []
    for figure in doors(calls, clients, console):
        console.print(f"{figure.door}: {figure.what}, {figure.clients} clients: {figure.per_s:,.0f} /s")
        found.append(figure)
    if as_json:
        typer.echo(json.dumps({"cores": os.cpu_count(), "figures": [asdict(f) for f in found]}, indent=2))
        return
    table = Table("door", "what", "clients", "per second", "wanted", "p50 ms", "p99 ms", "server ms", "client ms")
    for f in found:
        row = (f"{f.per_s:,.0f}", f.wanted, f"{f.p50_ms:.2f}", f"{f.p99_ms:.2f}", f"{f.server_ms:.2f}")
        table.add_row(f.door, f.what, str(f.clients), *row, f"{f.client_ms:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
