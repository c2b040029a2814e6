"""Everything of a cell that can be searched: files, rows, objects, and what its processes show.

Files are read as bytes, and what gzip has packed is unpacked. SQLite files are read once more by their rows, since a
long text may be spread over pages; Postgres and object stores are asked as the cell asks them. A file that is deleted
and still held open is searched by way of its process.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from serving.conform.canary import Needles
from serving.conform.outcome import Leak
from serving.settings import CellSettings

__all__ = ["Hay", "Searched", "hay_of", "rows_of", "search"]

PIECE: Final = 16 << 20  # bytes that are looked at together
OVERLAP: Final = 4 << 10  # bytes that two pieces share, so that nothing is cut in two
MOST_FILE: Final = 4 << 30  # bytes of one file; a larger one is a finding of its own
MOST_UNPACKED: Final = 256 << 20
_SQLITE: Final = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Hay:
    """Some bytes and where they lie."""

    kind: str
    place: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search came to."""

    leaks: tuple[Leak, ...]
    places: int
    bytes: int


def search(cell: str, hay: Iterator[Hay], needles: Needles, *, allowed: frozenset[str] = frozenset()) -> Searched:
    """Looks for canaries in all of it; places of an allowed kind may hold them."""
    leaks: dict[tuple[str, str, str], Leak] = {}
    places: set[str] = set()
    size = 0
    for each in hay:
        places.add(each.place)
        size += len(each.body)
        if each.kind in allowed:
            continue
        for what in needles.found(each.body + b"\n" + each.place.encode(errors="replace")):
            leak = Leak(cell=cell, kind=each.kind, place=each.place, what=what)
            leaks.setdefault((leak.kind, leak.place, leak.what), leak)
    return Searched(tuple(leaks.values()), len(places), size)


def hay_of(settings: CellSettings, home: Path, output: Path | None, pid: int | None) -> Iterator[Hay]:
    """All that one cell keeps, writes and shows. `output` is where its processes' lines went."""
    kinds = _kinds(settings, home)
    roots = {path for path, _ in kinds} | {home}
    for root in sorted(each for each in roots if not any(other in each.parents for other in roots)):
        for path in _files(root):
            yield from _of_file(_kind(path, kinds), path)
    if output is not None and output.is_file():
        yield from _of_file("output", output)
    if pid is not None:
        for each in _family(pid):
            yield from _of_process(each)
    if settings.database.url != "sqlite":
        yield from rows_of(settings)
    if settings.objects.url != "folder":
        yield from _objects(settings)


def _kinds(settings: CellSettings, home: Path) -> list[tuple[Path, str]]:
    """Folders with the kind of what lies there, inner ones first."""
    state = settings.folders.state.resolve()
    return [
        (state / "objects", "objects"),
        (state / "log-keys", "keys"),
        (settings.log.folder.resolve(), "log"),
        (settings.folders.scratch.resolve(), "scratch"),
        (settings.policies.tenants.resolve(), "tenants"),
        (home.resolve() / "tmp", "temporary"),
        (state, "state"),
        (home.resolve(), "home"),
    ]


def _kind(path: Path, kinds: list[tuple[Path, str]]) -> str:
    if re.fullmatch(r"jobs\.sqlite(-wal|-shm|-journal)?", path.name):
        return "database"
    return next((kind for folder, kind in kinds if folder in path.parents), "home")


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root.resolve()):
        yield from (Path(folder) / name for name in sorted(names))


def _of_file(kind: str, path: Path) -> Iterator[Hay]:
    """A file in pieces. One that goes away meanwhile was temporary, and its bytes cannot be asked for any more."""
    with suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
        before, first, read = b"", True, 0
        while piece := file.read(PIECE):
            read += len(piece)
            yield Hay(kind, str(path), before + piece)
            if first:
                yield from _inner(kind, path, piece)
            before, first = piece[-OVERLAP:], False
            if read > MOST_FILE:
                break
        if first:
            yield Hay(kind, str(path), b"")


def _inner(kind: str, path: Path, start: bytes) -> Iterator[Hay]:
    if start.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as packed:
            yield Hay(kind, f"{path} (unpacked)", packed.read(MOST_UNPACKED))
    if start.startswith(_SQLITE):
        yield from _sqlite(kind, path)


def _sqlite(kind: str, path: Path) -> Iterator[Hay]:
    """The rows of a database that others may be writing."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            rows = database.execute(f"SELECT * FROM {quoted}")
            yield Hay(kind, f"{path} table {table}", b"\n".join(_line(row) for row in rows))


def _line(row: tuple[object, ...]) -> bytes:
    return b"\t".join(each if isinstance(each, bytes) else str(each).encode(errors="replace") for each in row)


def rows_of(settings: CellSettings) -> Iterator[Hay]:
    """Every row of every table of a Postgres database, as the cell reaches it."""
    from sqlalchemy import MetaData, create_engine, select

    from serving.parts import database as database_url

    engine = create_engine(database_url(settings).replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            known = MetaData()
            known.reflect(connection)
            for table in known.sorted_tables:
                rows = connection.execution_options(stream_results=True).execute(select(table))
                body = b"\n".join(_line(tuple(row)) for row in rows)
                yield Hay("database", f"table {table.name}", body)
    finally:
        engine.dispose()


def _objects(settings: CellSettings) -> Iterator[Hay]:
    """Every object of a store that is not a folder."""
    from serving.media.store import open_objects
    from serving.parts import object_options

    store = open_objects(settings.objects_url, object_options(settings))

    async def all_of() -> list[Hay]:
        found = []
        async for each in store.older(datetime.max.replace(tzinfo=UTC)):
            size = await store.size(each.key) or 0
            found.append(Hay("objects", each.key, b"".join([part async for part in store.read(each.key, 0, size)])))
        return found

    yield from asyncio.run(all_of())


def _family(pid: int) -> list[int]:
    """A process and those that it has started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, new = [], [pid]
    while new:
        found += new
        new = [child for parent in new for child in children.get(parent, [])]
    return found


def _of_process(pid: int) -> Iterator[Hay]:
    """What a process shows to others of its user: arguments, environment, and deleted files that it holds open."""
    here = Path(f"/proc/{pid}")
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            yield Hay("process", f"{name} of process {pid}", (here / name).read_bytes())
    with suppress(OSError):
        for link in (here / "fd").iterdir():
            with suppress(OSError, ValueError):
                if "(deleted)" in str(link.readlink()) and link.stat().st_size:
                    yield Hay("temporary", f"deleted file of process {pid}", link.read_bytes()[:MOST_UNPACKED])
