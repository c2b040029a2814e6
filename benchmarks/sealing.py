"""What sealing costs beside plain objects in the same run: `python -m benchmarks.sealing [--json]`.

Each row is one call on a folder of objects, plain and sealed in turns: processor time and wall time, medians. The keys
are kept in a real SQLite job store, as in a cell. Puts wait for the disk, so their wall time says more about the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from serving.jobs.sql.store import open_store
from serving.media.objects import Key, Objects, Stored, key
from serving.media.store import open_objects
from serving.sealed.keys import CellKey, Keyring
from serving.sealed.objects import SealedObjects

MIB = 1 << 20
FILM = 3 * MIB // 2  # bytes of a film of five seconds
UPLOAD = 64 * MIB
SEEK = 100_000  # bytes that a player asks for in the middle
NUMBERS = count()

Call = Callable[[Objects], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call, on plain objects and on sealed ones; milliseconds."""

    call: str
    plain_cpu: float
    sealed_cpu: float
    plain_wall: float
    sealed_wall: float


@contextmanager
def _both() -> Iterator[tuple[Objects, Objects]]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'jobs.sqlite'}")
        clock = lambda: time.monotonic_ns() // 1_000_000  # noqa: E731
        keys = Keyring("eu-par", store, CellKey([os.urandom(32)], os.urandom), draw=os.urandom, clock=clock)
        yield (
            open_objects(f"file://{folder}/plain"),
            SealedObjects(open_objects(f"file://{folder}/sealed"), keys),
        )
        store.close()


def _fresh() -> Key:
    return key("t-0123456789abcdef", "films", str(next(NUMBERS)))


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


async def _drain(objects: Objects, place: Key, start: int, end: int) -> int:
    return sum([len(part) async for part in objects.read(place, start, end)])


async def _calls(objects: Objects, film: bytes, upload: bytes) -> dict[str, Call]:
    place: Stored = await objects.put(_fresh(), film)
    middle = len(film) // 2
    return {
        "put a film": lambda o: o.put(_fresh(), film),
        "get a film, checked": lambda o: o.get(place),
        "stream a film": lambda o: _drain(o, place.key, 0, len(film)),
        "read 100 kB of it": lambda o: _drain(o, place.key, middle, middle + SEEK),
        "stream an upload of 64 MiB in": lambda o: o.put_stream(_fresh(), _parts(upload), most=2 * UPLOAD),
    }


async def _timed(call: Call, objects: Objects) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    await call(objects)
    return (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


async def measure(times: int, *, quiet: bool) -> list[Row]:
    """All rows, each call so many times on either."""
    film, upload = os.urandom(FILM), os.urandom(UPLOAD)
    with _both() as (plain, sealed):
        here, there = await _calls(plain, film, upload), await _calls(sealed, film, upload)
        rows = []
        for name in track(here, "calls", console=Console(stderr=True), disable=quiet):
            number = max(3, times // 10) if "upload" in name else times
            took = [(await _timed(here[name], plain), await _timed(there[name], sealed)) for _ in range(number)]
            figures = [median(each[side][kind] for each in took) for kind in (0, 1) for side in (0, 1)]
            rows.append(Row(call=name, **dict(zip(_FIGURES, figures, strict=True))))
        return rows


_FIGURES = ("plain_cpu", "sealed_cpu", "plain_wall", "sealed_wall")


def main(
    times: Annotated[int, typer.Option(help="Times that each call is made on either.", min=3)] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """What sealing costs beside plain objects."""
    rows = asyncio.run(measure(times, quiet=as_json))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("call", "plain, CPU", "sealed, CPU", "more", "plain, wall", "sealed, wall")
    for row in rows:
        more = f"{row.sealed_cpu - row.plain_cpu:+.2f} ms"
        walls = (f"{row.plain_wall:.2f} ms", f"{row.sealed_wall:.2f} ms")
        table.add_row(row.call, f"{row.plain_cpu:.2f} ms", f"{row.sealed_cpu:.2f} ms", more, *walls)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
