"""SQLite as a job store's database: one file, written ahead, every commit on the disk before it counts.

It has one writer at a time. A process that is frozen in mid-write holds up the others until it goes on or is killed;
they hear `Unavailable` meanwhile. Postgres undoes such a write by itself.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from serving.jobs.bell import Bell
from serving.jobs.rules import Rules
from serving.jobs.sql.database import Database

Clock = Callable[[], int]
_READS: Final = "equerry_reads"  # marks connections that only read
_BUSY_S: Final = 10  # a writer waits this long for one in another process
_LOOK_S: Final = 0.05  # between two looks at whether another process has written
_OWN_S: Final = 1.0  # between two rings for changes of which some are our own


def wall_ms() -> int:
    """Milliseconds since 1970 UTC. An embedded database has no clock but its machine's."""
    return time.time_ns() // 1_000_000


def open_sqlite(path: Path, rules: Rules, clock: Clock = wall_ms) -> Database:
    """The database in a file, which is made when it is missing; `clock` is the database's."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=16,
        max_overflow=16,
        hide_parameters=True,  # they hold prompts
        connect_args={"timeout": _BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(raw: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        assert isinstance(raw, sqlite3.Connection)
        raw.isolation_level = None  # we begin transactions ourselves
        # What is deleted is overwritten in its page, which is written anyway: destroyed keys must not stay in the file.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = FAST"):
            raw.execute(f"PRAGMA {pragma}")
        raw.create_function("now_ms", 0, clock)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_READS):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # a read that turns into a write would fail half-way

    feed = DiskFeed(path)
    return Database(
        engine,
        feed,
        reader=engine.execution_options(**{_READS: True}),
        patience_ms=rules.patience_ms,
        transient=_busy,
        single_writer=True,
    )


def _busy(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


class Glance:
    """Whether a look at the file's version is worth a ring."""

    def __init__(self) -> None:
        self._version, self._rings, self._at = -1, 0, 0.0

    def worth(self, version: int, rings: int, now: float) -> bool:
        """`rings` is how often this process has rung so far, `now` in seconds. After True it rings once."""
        if version == self._version or (rings != self._rings and now - self._at < _OWN_S):
            return False
        self._version, self._rings, self._at = version, rings + 1, now
        return True


class DiskFeed:
    """Rings for whatever another connection has committed, which `PRAGMA data_version` tells without reading pages.

    Our own connections are others to it. What they commit has been rung for already, to those whom it concerns, so
    while this process writes, everybody is woken once a second and not for each of its writes. What another process
    does meanwhile, such as `equerry job cancel`, is seen that much later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards `_thread`
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def start(self, bell: Bell) -> None:
        """Begin to look."""
        with self._lock:
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, args=(bell,), name="job-bell", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._end.set()
        with self._lock:
            if self._thread is not None:
                self._thread.join()

    def _run(self, bell: Bell) -> None:
        eye = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            glance = Glance()
            while not self._end.wait(_LOOK_S):
                try:
                    (version,) = eye.execute("PRAGMA data_version").fetchone()
                except sqlite3.Error:  # a disk that fails for a moment; whoever waits looks by itself meanwhile
                    continue
                if glance.worth(version, bell.rings, monotonic()):
                    bell.ring()
        finally:
            eye.close()
