"""One database, SQLite or Postgres: transactions that survive its absence, and the feed that rings the bell.

A transaction that fails because the database went away is tried again as a whole for a while. So it may have happened
already, and whoever writes one makes sure that twice is once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from serving.errors import Broken, Unavailable
from serving.jobs.bell import WORK, Bell
from serving.jobs.sql.queries import queries

#: Changes of one job that concern nobody but those who watch it.
OF_ONE_JOB: Final = frozenset({"renew", "plan", "reach", "complete", "fail", "stop"})
#: What goes on inside a transaction and changes nothing that anybody waits for.
SILENT: Final = frozenset(
    {"recent", "submitted", "now", "tally", "look", "checkpoint", "note", "bill", "keep_artefact"}
    | {"hold_bytes", "bytes_held", "settle_bytes", "free_bytes", "count_bytes", "logged", "shorten_leases"}
)
T = TypeVar("T")
Row = Mapping[str, Any]
Rows = Sequence[Row]
_LOCK = 0x6571_7565  # of migrations, in Postgres; any number that nobody else takes


class Run(Protocol):
    """Runs one named query inside a transaction."""

    def __call__(self, name: str, **values: object) -> Rows: ...


class Feed(Protocol):
    """Rings the bell when anybody, in any process, has changed the store."""

    def start(self, bell: Bell) -> None:
        """Begin, once; more calls do nothing."""

    def close(self) -> None:
        """Stop, and wait until it has."""


class Database:
    """Transactions over one engine. `single_writer` lets this process's writers queue instead of knocking."""

    def __init__(
        self,
        engine: Engine,
        feed: Feed,
        *,
        reader: Engine,
        patience_ms: int,
        transient: Callable[[DBAPIError], bool],
        single_writer: bool = False,
    ) -> None:
        self.bell = Bell()
        self.dialect = engine.dialect.name
        self._engine = engine
        self._reader = reader  # each of its reads is a transaction of its own
        self._feed = feed
        self._patience_s = patience_ms / 1000
        self._transient = transient
        self._queries = queries(self.dialect)
        self._writer = threading.Lock() if single_writer else nullcontext()  # held for a whole transaction

    def read(self, name: str, **values: object) -> Rows:
        """The rows of one query."""
        return self._steadily(lambda: self._read(name, values))

    def write(self, work: Callable[[Run], T]) -> T:
        """One transaction, durable when this returns; `work` may run more than once."""
        return self._steadily(lambda: self._write(work))

    def listen(self) -> Bell:
        """The bell, with its feed running."""
        self._feed.start(self.bell)
        return self.bell

    def forget(self) -> None:
        """Let what was overwritten be gone from SQLite's files too. Raises Unavailable while somebody reads on."""
        if self.read("forget")[0]["busy"]:
            raise Unavailable("The job store's write-ahead file is in use, so a key is still in it. Try again soon.")

    @contextmanager
    def exclusively(self) -> Iterator[Connection]:
        """One transaction, with no other process in here. Raises Unavailable and Broken as all others do."""
        try:
            with self._writer, self._engine.begin() as connection:
                if self.dialect == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield connection
        except SQLAlchemyError as error:
            raise _named(error) from None

    def close(self) -> None:
        """Let go of everything, and wake those who wait."""
        self._feed.close()
        self._reader.dispose()
        self._engine.dispose()
        self.bell.ring()

    def _read(self, name: str, values: Mapping[str, object]) -> Rows:
        with self._reader.connect() as connection:
            return _told(connection.execute(self._queries[name], values))

    def _write(self, work: Callable[[Run], T]) -> T:
        topics = set[str | None]()

        def run(name: str, **values: object) -> Rows:
            rows = self._rows(connection, name, values)
            topics.update(_topics(name, values, rows))
            return rows

        with self._writer, self._engine.begin() as connection:
            made = work(run)
        if self.dialect == "sqlite":  # Postgres rings by itself
            self._ring(topics)
        return made

    def _ring(self, topics: set[str | None]) -> None:
        """A film is written a dozen times, and whoever waits for something else need not look each time."""
        for topic in {None} if None in topics else topics:
            self.bell.ring(topic)

    def _rows(self, connection: Connection, name: str, values: Mapping[str, object]) -> Rows:
        found = connection.execute(self._queries[name], values)
        return _told(found) if found.returns_rows else ()

    def _steadily(self, attempt: Callable[[], T]) -> T:
        end = time.monotonic() + self._patience_s
        wait_s = 0.02
        while True:
            try:
                return attempt()
            except SQLAlchemyError as error:
                if not self._passing(error) or time.monotonic() + wait_s > end:
                    raise _named(error) from None  # its text may hold a row
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 0.5)

    def _passing(self, error: SQLAlchemyError) -> bool:
        if isinstance(error, DBAPIError):
            return error.connection_invalidated or self._transient(error)
        return isinstance(error, PoolTimeout)


def _topics(name: str, values: Mapping[str, object], rows: Rows) -> Iterable[str | None]:
    """Who has something to look at after a query; None is everybody."""
    if name in OF_ONE_JOB:
        return (str(values["id"]),)
    if name == "claim":
        return [str(row["id"]) for row in rows]
    if name == "submit":
        return (WORK,)
    return () if name in SILENT else (None,)


def _told(found: CursorResult[Any]) -> Rows:
    """Rows by name. Plain dictionaries: a row that looks its names up as it is read takes ten times as long."""
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found.all()]


def _named(error: SQLAlchemyError) -> Broken | Unavailable:
    """Our own error for one of the database's. Its text is kept away: it may hold what was asked for."""
    kind = type(error.orig).__name__ if isinstance(error, DBAPIError) else type(error).__name__
    if isinstance(error, (IntegrityError, ProgrammingError, DataError)):
        return Broken(
            f"The job store refused a query ({kind}). Nothing was changed. See that its tables are migrated; if they "
            "are, report it."
        )
    if kind == "DatabaseError":  # SQLite's own for a file that is cut off or something else
        return Unavailable(
            "The job store cannot be read: its file is damaged, or is no database. Restore it, and look at the disk."
        )
    return Unavailable(
        f"The job store does not answer ({kind}). Nothing was promised; try again, and see that the database runs, "
        "its disk has room, a file of it is yours to read and write, and its tables are migrated."
    )


def one(rows: Rows) -> Row | None:
    """The only row, or None."""
    return rows[0] if rows else None
