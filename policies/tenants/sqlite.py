"""A cell's tenants and keys in one SQLite file that several processes share.

A look-up asks the file each time, some microseconds in WAL mode, instead of a cache: a key that one process revokes is
refused by the next look-up of every other. A file that was exchanged under an open store (a backup was put back) is
opened anew, and so it is after a fork. The file must lie on a disk of this machine; WAL does not work over a network.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from policies.canonical import Digest
from policies.errors import Doubt, Refused
from policies.tenants.cell import Cell
from policies.tenants.key import Key
from policies.tenants.keytext import KeyId
from policies.tenants.mishaps import told
from policies.tenants.notice import Notice
from policies.tenants.page import Page
from policies.tenants.statements import statement
from policies.tenants.store import Known
from policies.tenants.tenant import Tenant, TenantId

__all__ = ["SqliteStore", "make_store"]

APPLICATION: Final = 0x65716B79  # "eqky": this file is ours
VERSION: Final = 1  # of the tables
PATIENCE: Final = 5.0  # seconds to wait for another writer; readers never wait for one
PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF")


def make_store(path: Path, cell: Cell, pepper: bytes) -> None:
    """A new, empty file that only its owner can read. `pepper` is what `Pepper.check` says."""
    with told(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        line = _connect(path, PATIENCE)
        try:
            marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
            line.executescript(f"BEGIN IMMEDIATE; {statement('schema')} {marks}")
            line.execute(statement("add_cell"), {"name": cell.name, "pepper": pepper})
            line.execute("COMMIT")
        finally:
            line.close()


class SqliteStore:
    """One cell's tenants and keys on disk. Several threads and several processes may use it at once."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience  # seconds
        self._turn = threading.RLock()  # held by whoever uses the connection, by a writer for a whole transaction
        self._page: Page | None = None
        self._place = (0, 0, 0)  # process, device and inode that the page belongs to
        with self._reading() as page:
            name, self._pepper = page.line.execute(statement("cell")).fetchone()
            self._cell = Cell(name)

    @property
    def cell(self) -> Cell:
        return self._cell

    @property
    def pepper(self) -> bytes:
        """What `Pepper.check` says of the pepper that the keys were made with."""
        return self._pepper

    def find(self, key: KeyId) -> Known | None:
        with self._reading() as page:
            return page.find(key)

    def tenant(self, tenant: TenantId) -> Tenant | None:
        with self._reading() as page:
            return page.tenant(tenant)

    def tenants(self) -> list[Tenant]:
        with self._reading() as page:
            return page.tenants()

    def keys(self, tenant: TenantId) -> list[Key]:
        with self._reading() as page:
            return page.keys(tenant)

    def constraints(self, digest: Digest) -> bytes | None:
        with self._reading() as page:
            return page.constraints(digest)

    def notices(self, most: int) -> list[Notice]:
        with self._reading() as page:
            return page.notices(most)

    def revision(self) -> int:
        with self._reading() as page:
            return page.revision()

    @contextmanager
    def writing(self) -> Iterator[Page]:
        with self._reading() as page:
            page.line.execute("BEGIN IMMEDIATE")
            try:
                yield page
                page.line.execute("COMMIT")
            except BaseException:
                if page.line.in_transaction:  # a full disk has rolled back already
                    page.line.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._turn:
            if self._page is not None:
                self._page.line.close()
            self._page = None

    @contextmanager
    def _reading(self) -> Iterator[Page]:
        with self._turn, told(self._path):
            facts = self._path.stat()
            place = (os.getpid(), facts.st_dev, facts.st_ino)
            if self._page is None or place != self._place:
                self._page, self._place = self._open(place), place
            yield self._page

    def _open(self, place: tuple[int, int, int]) -> Page:
        if self._page is not None and place[0] == self._place[0]:  # the parent's connection is not ours to close
            self._page.line.close()
        line = _connect(self._path, self._patience)
        try:
            _recognise(self._path, line)
        except BaseException:
            line.close()
            raise
        return Page(line)


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection that begins no transaction of its own and makes no file."""
    place = f"{path.absolute().as_uri()}?mode=rw"
    line = sqlite3.connect(place, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        for pragma in PRAGMAS:
            line.execute(f"PRAGMA {pragma}")
    except BaseException:
        line.close()
        raise
    return line


def _recognise(path: Path, line: sqlite3.Connection) -> None:
    (application,), (version,) = (
        line.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if application != APPLICATION:
        raise Doubt(
            f"{path} is not a store of tenants, or its making was cut short. Move it away, or restore a backup."
        )
    if version != VERSION:
        raise Refused(f"{path} was written by another version ({version}; this one reads {VERSION}). Use that version.")
