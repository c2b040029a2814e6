"""What a cell costs beside the engine inside it: `python -m benchmarks.cell_tax`.

Three ways make the very same films in the same run: prompts, seeds and lengths are one list.

    bare engine              codes, and nothing is done with them
    engine, rendered, MP4    each chunk is rendered and compressed in a thread while the next is decoded; then a file
    whole cell               a client's wish over HTTP until it hears `completed`: gate, decision in the log, admission,
                             durable job, a checkpoint for each chunk, the same rendering and compression, watermarks
                             in picture and sound, a signed manifest, a preview picture and a sheet, objects, two
                             entries in the log, usage

So `over films` is what the keeping of promises costs, and `tax`, over the bare engine, what the rest of a film costs
too. `cpu s` is processor time of a film, of this process and those that it has started, and depends little on what else
the machine does. Start-up and one film of warming up are left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.engine import COLOURS, SHAPES
from model.checkpoint import Model, load
from model.clip import Clip, Mode, Size
from model.engine import Engine, Task
from model.errors import Unavailable
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

MINUTES = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    at_once: int
    clips_per_minute: float  # median
    slowest: float
    fastest: float
    cpu_s: float  # processor time of one film


def clips(count: int, first: int, seconds: int) -> list[Clip]:
    """As many films, all different."""
    said = [f"a {COLOURS[n % 8]} {SHAPES[n % 5]} bounces up and down {n}" for n in range(first, first + count)]
    return [
        Clip(prompt=text, mode=Mode.T2V, size=Size(64, 64), seconds=seconds, seed=first + n)
        for n, text in enumerate(said)
    ]


Way = Callable[[Sequence[Clip]], Awaitable[None]]


async def timed(
    way: str, at_once: int, do: Way, *, films: int, repeats: int, seconds: int, done: Callable[[], None]
) -> Row:
    """Clips a minute, `at_once` of them at a time."""
    await do(clips(1, 9_000, seconds))
    speeds, before = list[float](), spent()
    for repeat in range(repeats):
        wanted = clips(films, 100 * repeat, seconds)
        began = time.perf_counter()
        for start in range(0, films, at_once):
            await do(wanted[start : start + at_once])
        speeds.append(MINUTES * films / (time.perf_counter() - began))
        done()
    return Row(
        way=way,
        at_once=at_once,
        clips_per_minute=median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        cpu_s=(spent() - before) / (films * repeats),
    )


def spent() -> float:
    """Seconds of processor time of this process and of those that it has started (proc(5), stat)."""
    return sum(_spent(process) for process in (os.getpid(), *_children(os.getpid())))


def _spent(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # with its children that have ended


def _children(process: int) -> Iterator[int]:
    for told in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, told.read_text("ascii").split()):
            yield child
            yield from _children(child)


def bare(inside: Engine, maker: Maker) -> Way:
    """Codes alone."""

    async def one(clip: Clip) -> None:
        async for _ in inside.submit(Task(job=secrets.token_hex(8), order=maker.ready(clip).order)):
            pass

    async def do(wanted: Sequence[Clip]) -> None:
        await asyncio.gather(*map(one, wanted))

    return do


def rendered(inside: Engine, maker: Maker, folder: Path) -> Way:
    """Codes, frames, sound and an MP4, without any of the cell."""
    c = maker.model.config

    async def one(clip: Clip) -> None:
        ready = await asyncio.to_thread(maker.ready, clip)
        film = Development(maker.model, clip.size, ready.frames)
        encoder = Encoder(clip.size, Fraction(c.video.fps), c.audio.rate)
        async for chunk in inside.submit(Task(job=secrets.token_hex(8), order=ready.order)):
            await asyncio.to_thread(lambda codes: encoder.add(film.add(codes)), chunk.codes)
        body = await asyncio.to_thread(lambda: encoder.finish(film.sound()))
        await asyncio.to_thread((folder / f"{secrets.token_hex(8)}.mp4").write_bytes, body)

    async def do(wanted: Sequence[Clip]) -> None:
        await asyncio.gather(*map(one, wanted))

    return do


def through(client: httpx.AsyncClient) -> Way:
    """From a client's wish to the film that it could fetch."""

    async def one(clip: Clip) -> None:
        wish = {"prompt": clip.prompt, "seconds": str(clip.seconds), "size": str(clip.size), "seed": clip.seed}
        answer = (await client.post("/v1/videos", json=wish)).raise_for_status().json()
        while answer["status"] not in ("completed", "failed"):
            await asyncio.sleep(0.05)
            answer = (await client.get(f"/v1/videos/{answer['id']}")).raise_for_status().json()
        if answer["status"] == "failed":
            raise Unavailable("A film failed, so there is nothing to measure. Run the cell's tests.")

    async def do(wanted: Sequence[Clip]) -> None:
        await asyncio.gather(*map(one, wanted))

    return do


def home(folder: Path, kind: str, films: int) -> CellSettings:
    """A cell's settings, by which the bare engine is made too."""
    make_home(
        folder, Site(cell="eu-par", country="FR", city="Paris"), [], port=_port(), model="pony",
        signing=own_key(folder), day=today(),
    )  # fmt: skip
    told = load_settings(folder / SETTINGS)
    chosen = told.engine.model_copy(update={"kind": kind, "batch": films})
    listen = told.listen.model_copy(update={"operations_port": _port()})
    return told.model_copy(update={"engine": chosen, "listen": listen})


@asynccontextmanager
async def cell(settings: CellSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A cell that runs, and a client with a key."""
    parts = build(settings)
    stop, ready = asyncio.Event(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as place:
        key = _key(parts)
        running = asyncio.create_task(LocalCell(parts).run(stop, lambda _: ready.set(), [place]))
        try:
            await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
            address = f"http://127.0.0.1:{place.getsockname()[1]}"
            shown = {"authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(base_url=address, headers=shown, timeout=60, trust_env=False) as client:
                yield client
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


async def measured(
    kind: str, films: int, repeats: int, seconds: int, folder: Path, model: Model, done: Callable[[], None]
) -> list[Row]:
    """The bare engine one by one and at once, the same with rendering, and the cell."""
    settings, maker = home(folder / "cell", kind, films), Maker(Generator(model))
    rows = []
    inside = engine(settings, model)
    try:
        await inside.check()
        for way, at_once, do in (
            ("bare engine", 1, bare(inside, maker)),
            ("bare engine", films, bare(inside, maker)),
            ("engine, rendered, MP4", films, rendered(inside, maker, folder)),
        ):
            rows.append(await timed(way, at_once, do, films=films, repeats=repeats, seconds=seconds, done=done))
    finally:
        await inside.close()
    async with cell(settings) as client:
        do = through(client)
        rows.append(await timed("whole cell", films, do, films=films, repeats=repeats, seconds=seconds, done=done))
    return rows


def main(
    kind: Annotated[str, typer.Option("--engine", help="torch or vllm.", metavar="torch|vllm")] = "vllm",
    films: Annotated[int, typer.Option(min=2, max=64, help="Films of each measurement, at once.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int, typer.Option(min=2, max=15, help="Length of each film.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measures clips a minute of the bare engine and of a whole cell around it."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(kind, total=4 * repeats)
        rows = asyncio.run(measured(kind, films, repeats, seconds, Path(folder), load(), lambda: progress.advance(bar)))
    machine = f"{platform.processor() or platform.machine()}, torch on {torch.get_num_threads()} threads"
    if as_json:
        shown = {"machine": machine, "engine": kind, "seconds": seconds, "rows": [asdict(row) for row in rows]}
        typer.echo(json.dumps(shown, indent=2))
        return
    show(rows, f"Clips of {seconds} s a minute, engine {kind} ({machine})")


def show(rows: Sequence[Row], title: str) -> None:
    """Prints the table; the taxes are over the bare engine, and over films without a cell, with as many at once."""
    alone, bare_row, film_row = rows[0], rows[1], rows[2]
    table = Table(title=title)
    for heading in ("way", "at once", "clips/min", "from … to", "gain", "cpu s", "tax", "over films"):
        table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=True)
    for row in rows:
        gain = f"{row.clips_per_minute / alone.clips_per_minute:.2f}x"
        taxes = ("" if row in rows[:n] else _tax(row, over) for n, over in ((2, bare_row), (3, film_row)))
        spread = f"{row.slowest:.1f} … {row.fastest:.1f}"
        table.add_row(
            row.way, str(row.at_once), f"{row.clips_per_minute:.1f}", spread, gain, f"{row.cpu_s:.2f}", *taxes
        )
    Console(width=110).print(table)


def _tax(row: Row, over: Row) -> str:
    """The part of its films a minute that a way costs."""
    return f"{100 * (1 - row.clips_per_minute / over.clips_per_minute):.0f} %"


if __name__ == "__main__":
    typer.run(main)
