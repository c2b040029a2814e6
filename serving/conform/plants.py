"""Leaks that the kit makes itself, to show that it would have found one.

Each is planted after the real search, found or not found by the same search, and taken away again.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from serving.conform.canary import Canaries
from serving.conform.site import Site

__all__ = ["Plant", "plants"]

TABLE: Final = "conform_plant"
NAME: Final = "conform-plant"


@dataclass(frozen=True, slots=True)
class Plant:
    """A leak on purpose: `put` makes it, `pull` takes it away."""

    name: str
    on_the_wire: bool
    put: Callable[[], None]
    pull: Callable[[], None]


def plants(words: Canaries, source: Site, wrong: Site) -> Iterator[Plant]:
    """One of each kind that can be planted here: a file, a packed file, a row, an object's name, and a packet."""
    word = words.word("planted")
    state = wrong.settings.folders.state
    yield _file("a line in a file of the wrong cell", state / NAME, f"prompt: {word}\n".encode())
    yield _file("a packed file of the wrong cell", state / f"{NAME}.gz", _packed(word))
    yield _file("an object of the wrong cell, in UTF-16", state / "objects" / NAME, word.encode("utf-16"))
    if wrong.settings.database.url == "sqlite":
        yield _row(word, str(state / "jobs.sqlite"))
    if source.end is not None and wrong.end is not None:
        yield Plant("a packet from one cell to the other", True, lambda: _call(word, source, wrong), lambda: None)


def _packed(word: str) -> bytes:
    import gzip

    return gzip.compress(f'{{"prompt": "{word}"}}'.encode() * 3)


def _file(name: str, path: os.PathLike[str], body: bytes) -> Plant:
    from pathlib import Path

    place = Path(path)

    def put() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)

    return Plant(name, False, put, lambda: place.unlink(missing_ok=True))


def _row(word: str, path: str) -> Plant:
    def put() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            database.execute(f"CREATE TABLE {TABLE} (told TEXT)")
            database.execute(f"INSERT INTO {TABLE} VALUES (?)", ("x" * 10_000 + word,))

    def pull() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute(f"DELETE FROM {TABLE}")
            database.execute(f"DROP TABLE {TABLE}")
        with closing(sqlite3.connect(path, timeout=30)) as database, suppress(sqlite3.Error):
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return Plant("a row in the wrong cell's database", False, put, pull)


_CALL: Final = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as wire:
    wire.sendall(b"POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 40\\r\\n\\r\\n" + sys.stdin.buffer.read())
"""


def _call(word: str, source: Site, wrong: Site) -> None:
    """One cell's network speaks to the other's door."""
    assert source.end is not None
    command = [sys.executable, "-c", _CALL, wrong.host, str(wrong.settings.listen.port)]
    with suppress(subprocess.TimeoutExpired, socket.error):
        subprocess.run(source.end.command(command), input=word.encode(), timeout=30, check=False, capture_output=True)
