"""What being watched costs a cell: the same films and the same questions, watched and not, in turns in one process.

    python -m benchmarks.telemetry [--json] [--films N] [--pairs N] [--polls N]

Two whole cells stand in this process. One is watched, by spans, metrics and a collector on loopback; in the other
nobody watches, and not even the seams are there: that one is the yardstick. Both make the same films in turns, and the
turns change their order. The promise is 2 % of throughput at most, with the collector up, down, slow and full.

What is compared is processor time, exporters' threads included; the collector is another process. Wall time, which is
told too, says more about what else the machine does. A processor's own speed varies from second to second, so beside
each median stands how far chance may move it. What goes on at a steady pace (readings, and messages with all metrics)
would run during both turns, so it is timed alone and added.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from serving.jobs.job import JobId
from serving.local import LocalCell
from serving.parts import Parts, build
from serving.settings_file import load
from serving.telemetry.pulse import PACE

PROMISED: Final = 2.0  # per cent of throughput
MOODS: Final = ("up", "down", "slow", "full")
SLOW: Final = 4.0  # seconds that a slow collector takes for an answer
EVERY: Final = 15.0  # seconds between two messages with metrics
RECOVERY: Final = 120.0  # seconds within which spans arrive again
QUEUE: Final = 200  # spans; so small that a collector that takes none fills it
FILM: Final = {
    "model": "pony",
    "prompt": "a red circle bounces up and down",
    "seconds": "1",
    "size": "64x64",
    "seed": "3",
}


def collect(port: int, wire: Connection) -> None:
    """A collector in a process of its own; told over `wire` how it feels, and answers with its port."""
    mood = "up"

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if mood == "slow":
                time.sleep(SLOW)
            self.send_response(503 if mood == "full" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    while mood:
        server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
        server.daemon_threads = True
        port = int(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        wire.send(port)
        while (mood := wire.recv()) not in ("down", ""):
            wire.send(port)
        server.shutdown()
        server.server_close()
        if mood == "down":
            wire.send(port)
            mood = wire.recv()


class Collector:
    """The other end of the wire."""

    def __init__(self) -> None:
        here, there = multiprocessing.get_context("spawn").Pipe()
        self._wire: Connection = here
        self._process = multiprocessing.get_context("spawn").Process(target=collect, args=(0, there), daemon=True)
        self._process.start()
        self.port = int(here.recv())

    def feel(self, mood: str) -> None:
        self._wire.send(mood)
        self._wire.recv()

    def close(self) -> None:
        self._process.terminate()
        self._process.join(5)


def equerry(*arguments: object) -> str:
    command = [sys.executable, "-m", "equerry", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@dataclass
class Cell:
    """One of the two."""

    parts: Parts
    cell: LocalCell
    key: str
    watched: bool

    async def films(self, count: int) -> None:
        """Asks for some and waits until they are there."""
        async with self.client() as client:
            answers = [await client.post("/v1/videos", json=FILM) for _ in range(count)]
        ids = [JobId(answer.json()["id"].removeprefix("video_")) for answer in answers]
        while not all([(await asyncio.to_thread(self.parts.store.look, job)).terminal for job in ids]):
            await asyncio.sleep(0.05)
        self.last = ids[-1]

    async def polls(self, count: int) -> None:
        """Asks how a film stands."""
        async with self.client() as client:
            for _ in range(count):
                (await client.get(f"/v1/videos/video_{self.last}")).raise_for_status()

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.cell.app)  # type: ignore[arg-type]  # httpx spells ASGI its own way
        return httpx.AsyncClient(
            transport=transport, base_url="http://x", headers={"authorization": f"Bearer {self.key}"}, timeout=600
        )


@contextmanager
def cell(folder: Path, port: int, collector: int | None) -> Iterator[Cell]:
    """A cell, watched when there is a collector."""
    equerry("cell", "init", folder, "--name", "eu-par", "--country", "FR", "--port", port)
    told = equerry("tenant", "add", "Acme", "--cell", folder, "--home", "EU", "--jurisdiction", "EU", "--class",
                   "personal", "--json")  # fmt: skip
    key = json.loads(equerry("tenant", "key", "add", json.loads(told)["id"], "--cell", folder, "--json"))["key"]
    lines = [
        "",
        "[telemetry]",
        f"metrics = {json.dumps(collector is not None)}",
        f"every = {EVERY}",
        f"queue = {QUEUE}",
    ]
    lines += [] if collector is None else [f'otlp = "http://127.0.0.1:{collector}"']
    with (folder / "cell.toml").open("a") as settings:
        settings.write("\n".join(lines) + "\n")
    parts = build(load(folder / "cell.toml"))
    try:
        bare = (
            parts if collector is not None else replace(parts, store=inner(parts.store), objects=inner(parts.objects))
        )
        yield Cell(bare, LocalCell(bare), key, collector is not None)
    finally:
        parts.close()


def inner(part: Any) -> Any:
    """A part without its seam."""
    return part._part


async def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of processor and of wall time."""
    processor, wall = time.process_time(), time.perf_counter()
    await work()
    return time.process_time() - processor, time.perf_counter() - wall


async def pairs(on: Cell, off: Cell, count: int, work: Callable[[Cell], Any], title: str) -> list[tuple[float, ...]]:
    """Seconds of each pair: processor on, off; wall on, off."""
    found: list[tuple[float, ...]] = []
    for number in track(range(count), title, console=Console(stderr=True)):
        turns = (on, off) if number % 2 else (off, on)
        seconds = {turn.watched: await timed(partial(work, turn)) for turn in turns}
        found.append((seconds[True][0], seconds[False][0], seconds[True][1], seconds[False][1]))
    return found


def per_cent(found: list[tuple[float, ...]], at: int) -> float:
    """The median over pairs of what the watched one takes more, in per cent of the other."""
    return round(100 * statistics.median(pair[at] / pair[at + 1] - 1 for pair in found), 2)


def give_or_take(found: list[tuple[float, ...]], at: int) -> float:
    """How far chance may move that median either way, in per cent: the notch of a box plot, which is about a 95 %
    interval where two are compared (McGill, Tukey and Larsen, 1978); wide where there are few pairs."""
    if len(found) < 4:
        return float("inf")
    low, _, high = statistics.quantiles([pair[at] / pair[at + 1] - 1 for pair in found], n=4)
    return round(100 * 1.57 * (high - low) / len(found) ** 0.5, 2)


def steady(on: Cell) -> float:
    """Per cent of one core that readings and messages take."""
    watch = on.parts.watch

    def read() -> None:
        watch.pulse.process()
        watch.pulse.engine(on.cell.engine.stats())
        on.parts.store.backlog()

    reading = alone(read)
    message = alone(lambda: list(watch.families()) if watch.families else None)
    return round(100 * (reading / PACE + 2 * message / EVERY), 3)  # encoding a message costs about as much as reading


async def reckoned(on: Cell, off: Cell, films: int) -> float:
    """Per cent of a film's processor time that its spans and measurements take, each timed by itself to the collector:
    a figure that other work on the machine cannot blur."""
    watch, many = on.parts.watch, 100
    before = watch.tally.sent.get("spans", 0)
    await on.films(films)
    await asyncio.sleep(3)  # until the belt has taken them along
    spans = (watch.tally.sent.get("spans", 0) - before) / films
    film, _ = await timed(lambda: off.films(films))
    began = time.process_time()
    for _ in range(many):
        with watch.eyes.job("1" * 32), watch.eyes.span("store.get"):
            watch.eyes.measure("equerry.store.duration", 0.01, call="get", outcome="ok")
            watch.eyes.measure("equerry.store.duration", 0.01, call="get", outcome="ok")
    await asyncio.sleep(3)
    each = (time.process_time() - began) / (2 * many)
    return round(100 * spans * each / (film / films), 2)


async def recovered(on: Cell) -> None:
    """Waits until the belt, which rests longer after each failure, has got over a collector that was away."""
    before, end = on.parts.watch.tally.sent.get("spans", 0), time.monotonic() + RECOVERY
    while on.parts.watch.tally.sent.get("spans", 0) == before and time.monotonic() < end:
        await on.films(1)
        await asyncio.sleep(1)
    await asyncio.sleep(3)


def alone(work: Callable[[], object]) -> float:
    """Seconds of processor time, as the median of ten."""
    seconds = []
    for _ in range(10):
        began = time.thread_time()
        work()
        seconds.append(time.thread_time() - began)
    return statistics.median(seconds)


async def measure(on: Cell, off: Cell, collector: Collector, asked: argparse.Namespace) -> dict[str, Any]:
    """All figures, as a document."""
    for each in (on, off):
        await each.cell.engine.check()
    studios = [asyncio.create_task(each.cell.studio.run()) for each in (on, off)]
    for each in (on, off):
        await each.films(1)  # warm
        await each.polls(20)
    rows = []
    for mood in asked.mood or MOODS:
        collector.feel(mood)
        before = dict(on.parts.watch.tally.dropped)
        found = await pairs(on, off, asked.pairs, lambda turn: turn.films(asked.films), f"films, collector {mood}")
        after = on.parts.watch.tally.dropped
        rows.append(
            {
                "collector": mood,
                "pairs": asked.pairs,
                "processor_per_cent": per_cent(found, 0),
                "give_or_take": give_or_take(found, 0),
                "wall_per_cent": per_cent(found, 2),
                "dropped": {
                    f"{k[0]} {k[1]}": after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)
                },
            }
        )
    collector.feel("up")
    await recovered(on)
    alone_per_cent = await reckoned(on, off, asked.films)
    polls = await pairs(on, off, asked.pairs, lambda turn: turn.polls(asked.polls), "questions")
    document = {
        "films": rows,
        "reckoned_per_cent": alone_per_cent,
        "steady_per_cent": steady(on),
        "microseconds_per_poll": [
            round(1e6 * statistics.median(pair[at] for pair in polls) / asked.polls) for at in (0, 1)
        ],
        "promised_per_cent": PROMISED,
    }
    for each in (on, off):
        await each.cell.studio.drain()
    await asyncio.gather(*studios)
    for each in (on, off):
        await each.cell.engine.close()
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--films", type=int, default=4, help="films of one turn (4)")
    parser.add_argument("--pairs", type=int, default=15, help="pairs with each mood of the collector (15)")
    parser.add_argument("--polls", type=int, default=200, help="questions of one turn (200)")
    parser.add_argument("--mood", action="append", choices=MOODS, help="of the collector; several times (all)")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        collector = Collector()
        stack.callback(collector.close)
        on = stack.enter_context(cell(folder / "on", 20_000, collector.port))
        off = stack.enter_context(cell(folder / "off", 20_002, None))
        found = asyncio.run(measure(on, off, collector, asked))
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """The same for people."""
    table = Table(title="what being watched costs a cell, beside the same cell unwatched")
    for name in ("collector", "pairs", "processor time, %", "give or take", "wall time, %", "dropped"):
        table.add_column(name, justify="right")
    for row in found["films"]:
        table.add_row(*(str(value) for value in row.values()))
    console = Console()
    console.print(table)
    console.print(f"spans and measurements of a film, each timed alone: {found['reckoned_per_cent']} % of its time")
    console.print(f"steady readings and messages: {found['steady_per_cent']} % of one core, to be added")
    on, off = found["microseconds_per_poll"]
    console.print(f"a question of how a film stands: {on} µs of processor time watched, {off} µs unwatched")
    console.print(f"promised: at most {found['promised_per_cent']} % of throughput")


if __name__ == "__main__":
    main()
