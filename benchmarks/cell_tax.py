"""What a cell costs beside the engine inside it: `python -m benchmarks.cell_tax`.

Each way makes films of one length and size, all different, in a steady state: so many askers, each of which wishes for
its next film when its last has ended (`benchmarks.steady`).

    bare engine              codes, and nothing is done with them
    the same, a busy core    beside a process that does nothing but count: what a machine's cores take from each other
    engine, rendered, MP4    each chunk is rendered and compressed in a thread while the next is decoded; then a file
    whole cell               a client's wish over HTTP until it hears of its end: gate, decision in the log, admission,
                             durable job, a checkpoint for each chunk, the same rendering and compression, watermarks
                             in picture and sound, a signed manifest, a preview picture and a sheet, objects, two
                             entries in the log, usage
    whole cell, a line       the same with twice as many clients as the engine takes films, so that some always wait:
                             a cell that has more to do than it can

So `over films` is what the keeping of promises costs, and `tax`, over the bare engine, what the rest of a film costs
too. The clients of the cell have a process of their own and by default listen to server-sent events, since then as many
films are in flight as there are clients, as in the other ways; `--hear polls` asks as OpenAI's SDK does. `cpu s` is
processor time of a film, told apart in `engine`, `rest` and `client` (`benchmarks.shares`); it depends little on what
else the machine does, and the clients' is not the cell's. Start-up and the first films are left out.
"""

from __future__ import annotations

import asyncio
import json
import platform
import secrets
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import httpx
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.askers import Hear, clip_of
from benchmarks.shares import shares
from benchmarks.steady import Lap, Laps, asked_steadily
from model.checkpoint import Model, load
from model.clip import Clip
from model.engine import Engine, Task
from model.generate import Generator
from model.make import Maker
from model.media import Encoder
from model.render import Development
from policies.constraints import Constraints, DataClass, Wish
from policies.tenants.tenant import Instant
from serving.home import SETTINGS, Site, make_home, own_key, today
from serving.local import LocalCell
from serving.parts import Parts, build, engine, now_ms
from serving.settings import CellSettings
from serving.settings_file import load as load_settings

MINUTES: Final = 60.0
APART: Final = 0.13  # seconds between the first wishes of two askers
RANGE: Final = 100_000  # numbers of films that one way may use, so that no two ways share a prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    at_once: int
    clips_per_minute: float  # median of the laps
    slowest: float
    fastest: float
    engine_s: float  # processor time of one film, here and below; medians
    rest_s: float
    client_s: float

    @property
    def cpu_s(self) -> float:
        """Processor time of one film, its client's left out."""
        return self.engine_s + self.rest_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    at_once: int
    films: int  # of a lap
    laps: int
    seconds: int  # of a film
    hear: Hear
    apart: bool  # the engine's core has a process of its own
    done: Callable[[], None]  # a lap has ended

    def laps_of(self, askers: int, client: int | None = None) -> Laps:
        """For one way."""
        return Laps(
            ramp=2 * askers, films=self.films, laps=self.laps, look=partial(shares, client), tell=self.done
        )  # fmt: skip


One = Callable[[Clip], Awaitable[None]]


async def inside(plan: Plan, way: str, askers: int, first: int, one: One) -> Row:
    """A way whose askers are coroutines of this process."""
    laps = plan.laps_of(askers)

    async def film(number: int) -> None:
        await one(clip_of(first + number, plan.seconds))
        laps.end()

    await asked_steadily(film, askers, APART, lambda: not laps.over)
    return _row(way, askers, laps.seen())


async def outside(plan: Plan, way: str, askers: int, first: int, url: str, key: str) -> Row:
    """A way whose askers are clients in a process of their own."""
    clients = await started(url, key, askers, first, plan.seconds, plan.hear)
    laps = plan.laps_of(askers, clients.pid)
    await heard(clients, laps)
    return _row(way, askers, laps.seen())


async def started(url: str, key: str, askers: int, first: int, seconds: int, hear: Hear) -> Process:
    """Clients that have begun to ask; `heard` waits for them."""
    told = [sys.executable, "-m", "benchmarks.askers", url, "--askers", str(askers), "--apart", str(APART)]
    more = ["--seconds", str(seconds), "--first", str(first), "--hear", hear.value]
    clients = await asyncio.create_subprocess_exec(*told, *more, stdin=PIPE, stdout=PIPE)
    assert clients.stdin is not None
    clients.stdin.write(f"{key}\n".encode())
    return clients


async def heard(clients: Process, laps: Laps) -> None:
    """Counts what they say has ended, and lets them stop when that was enough."""
    assert clients.stdin is not None
    assert clients.stdout is not None
    async for _ in clients.stdout:
        laps.end()
        if laps.over:
            clients.stdin.close()
    if await clients.wait() or not laps.over:
        raise SystemExit("The clients stopped before the end, so there is nothing to show. Look at what they said.")


def _row(way: str, askers: int, laps: Sequence[Lap]) -> Row:
    speeds = [MINUTES * lap.films / lap.seconds for lap in laps]
    return Row(
        way=way,
        at_once=askers,
        clips_per_minute=median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        engine_s=median(lap.spent.engine / lap.films for lap in laps),
        rest_s=median(lap.spent.rest / lap.films for lap in laps),
        client_s=median(lap.spent.client / lap.films for lap in laps),
    )


def bare(works: Engine, maker: Maker) -> One:
    """Codes alone."""

    async def one(clip: Clip) -> None:
        async for _ in works.submit(Task(job=secrets.token_hex(8), order=maker.ready(clip).order)):
            pass

    return one


def rendered(works: Engine, maker: Maker, folder: Path) -> One:
    """Codes, frames, sound and an MP4, without any of the cell."""
    c = maker.model.config

    async def one(clip: Clip) -> None:
        ready = await asyncio.to_thread(maker.ready, clip)
        film = Development(maker.model, clip.size, ready.frames, patient=True)
        encoder = Encoder(clip.size, Fraction(c.video.fps), c.audio.rate)
        async for chunk in works.submit(Task(job=secrets.token_hex(8), order=ready.order)):
            await asyncio.to_thread(lambda codes: encoder.add(film.add(codes)), chunk.codes)
        body = await asyncio.to_thread(lambda: encoder.finish(film.sound()))
        await asyncio.to_thread((folder / f"{secrets.token_hex(8)}.mp4").write_bytes, body)

    return one


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that keeps one core busy and touches no memory: what it takes from the engine, the machine takes."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def home(folder: Path, kind: str, films: int, *, apart: bool = True) -> CellSettings:
    """A cell's settings, by which the bare engine is made too."""
    make_home(
        folder, Site(cell="eu-par", country="FR", city="Paris"), [], port=_port(), model="pony",
        signing=own_key(folder), day=today(),
    )  # fmt: skip
    told = load_settings(folder / SETTINGS)
    chosen = told.engine.model_copy(update={"kind": kind, "batch": films, "own_process": apart})
    listen = told.listen.model_copy(update={"operations_port": _port()})
    return told.model_copy(update={"engine": chosen, "listen": listen})


@dataclass(frozen=True, slots=True)
class Door:
    """Where a cell that runs can be reached, and by which key."""

    url: str
    key: str

    def client(self) -> httpx.AsyncClient:
        """One that shows the key."""
        shown = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=shown, timeout=60, trust_env=False)


@asynccontextmanager
async def cell(settings: CellSettings) -> AsyncIterator[Door]:
    """A cell that runs."""
    parts = build(settings)
    stop, ready = asyncio.Event(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as place:
        key = _key(parts)
        running = asyncio.create_task(LocalCell(parts).run(stop, lambda _: ready.set(), [place]))
        try:
            await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
            yield Door(f"http://127.0.0.1:{place.getsockname()[1]}", key)
        finally:
            stop.set()
            await running
            parts.close()


def _key(parts: Parts) -> str:
    ceiling = Constraints(
        home="EU", allowed_jurisdictions=frozenset({"EU"}), allowed_classes=frozenset({DataClass.PERSONAL})
    )
    now = Instant(now_ms())
    tenant = parts.books.add_tenant("Measured", ceiling, "standard", now)
    minted = parts.books.add_key(tenant.id, "bench", Wish(), now)
    parts.rulebook.refresh()
    return minted.text.text


def _port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


async def measured(kind: str, plan: Plan, folder: Path, model: Model) -> list[Row]:
    """The bare engine one by one, at once and beside a busy core, the same with rendering, and the cell."""
    settings, maker = home(folder / "cell", kind, plan.at_once, apart=plan.apart), Maker(Generator(model))
    rows, first, many = [], count(step=RANGE), plan.at_once
    works = engine(settings, model)
    try:
        await works.check()
        for way, askers, one in (
            ("bare engine", 1, bare(works, maker)),
            ("bare engine", many, bare(works, maker)),
        ):
            rows.append(await inside(plan, way, askers, next(first), one))
        with neighbour():
            rows.append(await inside(plan, "the same, a busy core", many, next(first), bare(works, maker)))
        rows.append(await inside(plan, "engine, rendered, MP4", many, next(first), rendered(works, maker, folder)))
    finally:
        await works.close()
    async with cell(settings) as door:
        for way, askers in (("whole cell", many), ("whole cell, a line", 2 * many)):
            rows.append(await outside(plan, way, askers, next(first), door.url, door.key))
    return rows


def main(
    kind: Annotated[str, typer.Option("--engine", help="torch or vllm.", metavar="torch|vllm")] = "vllm",
    at_once: Annotated[int, typer.Option(min=2, max=64, help="Films in flight, and the engine's batch.")] = 8,
    films: Annotated[int, typer.Option(min=2, help="Films of a lap; more than are in flight, to be of use.")] = 32,
    repeats: Annotated[int, typer.Option(min=1, help="Laps of each way.")] = 3,
    seconds: Annotated[int, typer.Option(min=2, max=15, help="Length of each film.")] = 2,
    hear: Annotated[Hear, typer.Option(help="How the cell's clients hear of the end.")] = Hear.EVENTS,
    apart: Annotated[bool, typer.Option(help="Whether vLLM's core has a process of its own.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measures clips a minute of the bare engine and of a whole cell around it."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(kind, total=6 * repeats)
        plan = Plan(
            at_once=at_once, films=films, laps=repeats, seconds=seconds, hear=hear, apart=apart,
            done=lambda: progress.advance(bar),
        )  # fmt: skip
        rows = asyncio.run(measured(kind, plan, Path(folder), load()))
    machine = f"{platform.processor() or platform.machine()}, torch on {torch.get_num_threads()} threads"
    if as_json:
        told = {"machine": machine, "engine": kind, "seconds": seconds, "hear": hear.value, "apart": apart}
        typer.echo(json.dumps({**told, "rows": [_told(row, rows) for row in rows]}, indent=2))
        return
    show(rows, f"Clips of {seconds} s a minute, engine {kind} ({machine})")


def show(rows: Sequence[Row], title: str) -> None:
    """Prints the table; the taxes are over the bare engine, and over films without a cell, with as many at once."""
    table = Table(title=title)
    for heading in HEADS:
        table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, rows))
    Console(width=130).print(table)


HEADS: Final = (
    "way", "at once", "clips/min", "from … to", "gain", "cpu s", "engine", "rest", "client", "tax", "over films",
)  # fmt: skip


def _cells(row: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield row.way
    yield str(row.at_once)
    yield f"{row.clips_per_minute:.1f}"
    yield f"{row.slowest:.1f} … {row.fastest:.1f}"
    yield f"{row.clips_per_minute / rows[0].clips_per_minute:.2f}x"
    yield from (f"{each:.3f}" for each in (row.cpu_s, row.engine_s, row.rest_s, row.client_s))
    yield from ("" if row in rows[:n] else f"{_tax(row, over):.0%}" for n, over in ((2, rows[1]), (4, rows[3])))


def _told(row: Row, rows: Sequence[Row]) -> dict[str, object]:
    return {**asdict(row), "cpu_s": row.cpu_s, "tax": _tax(row, rows[1]), "over_films": _tax(row, rows[3])}


def _tax(row: Row, over: Row) -> float:
    """The part of its films a minute that a way costs."""
    return 1 - row.clips_per_minute / over.clips_per_minute


if __name__ == "__main__":
    typer.run(main)
