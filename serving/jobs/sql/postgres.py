"""Postgres as a job store's database, through psycopg 3."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from serving.jobs.bell import Bell
from serving.jobs.rules import Rules
from serving.jobs.sql.database import Database

CHANNEL: Final = "equerry_jobs"
_OPTIONS: Final = (
    "synchronous_commit=on",
    "timezone=UTC",
    "idle_in_transaction_session_timeout=5s",  # a worker that freezes in mid-write lets go of its rows
    "lock_timeout=8s",
)
#: A server that has vanished without a word is given up after about so long as one that refuses; by itself a system
#: may wait for two hours, or for a quarter of one when something was sent, and all who wait for that with it.
_SOON: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 5,  # seconds of silence before it is asked
    "keepalives_interval": 2,  # seconds between two questions
    "keepalives_count": 3,  # that may stay without an answer
    "tcp_user_timeout": 10_000,  # milliseconds in which what was sent must have arrived
}
CONNECTIONS: Final = 17  # of one process; settings may say otherwise
_LOOK_S: Final = 0.5  # between two looks at whether the feed should end
_PASSING: Final = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.OperationalError,  # no connection, or one that broke: the server restarts, or changes its leader
    psycopg.errors.IdleInTransactionSessionTimeout,  # this process was frozen in mid-write, and its work undone
    psycopg.InterfaceError,
)


def open_postgres(url: str, rules: Rules, connections: int = CONNECTIONS) -> Database:
    """The database at `postgresql://…`, with commits that wait for the disk whatever the server's default."""
    address = make_url(url).set(drivername="postgresql+psycopg")
    writers = (connections - 1) // 2  # one more listens for changes
    return Database(
        _engine(address, writers),
        WireFeed(address),
        reader=_engine(address, connections - 1 - writers, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True),
        patience_ms=rules.patience_ms,
        transient=_passing,
    )


def _engine(address: URL, connections: int, **options: Any) -> Engine:
    return create_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # they hold prompts
        connect_args={
            "options": " ".join(f"-c {option}" for option in _OPTIONS),
            "application_name": "equerry",
            **_SOON,
        },
        **options,
    )


def _passing(error: DBAPIError) -> bool:
    return isinstance(error.orig, _PASSING)


class WireFeed:
    """Rings for what the triggers notify. When the connection breaks, all ring: something may have been missed."""

    def __init__(self, address: URL) -> None:
        self._conninfo = address.set(drivername="postgresql").render_as_string(hide_password=False)
        self._lock = threading.Lock()  # guards `_thread`
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def start(self, bell: Bell) -> None:
        """Begin to listen."""
        with self._lock:
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, args=(bell,), name="job-bell", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._end.set()
        with self._lock:
            if self._thread is not None:
                self._thread.join()

    def _run(self, bell: Bell) -> None:
        while not self._end.is_set():
            try:
                self._listen(bell)
            except psycopg.Error:
                bell.ring()
                self._end.wait(_LOOK_S)

    def _listen(self, bell: Bell) -> None:
        with psycopg.connect(self._conninfo, autocommit=True, **_SOON) as wire:
            wire.execute(f"LISTEN {CHANNEL}")
            bell.ring()
            while not self._end.is_set():
                for told in wire.notifies(timeout=_LOOK_S):
                    bell.ring(told.payload)
