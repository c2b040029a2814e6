"""The residency log as a process sees it that does not have it: every entry goes to the recorder, and is waited for.

When the recorder is away, slow or full, every call raises and nothing goes on: a gate refuses, a studio hands its job
back. Entries that wait are counted, so that a silent recorder fills no memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol

from policies.errors import Malformed, Unavailable
from policies.log import wire
from policies.log.entry import Entry
from policies.log.writer import Receipt

__all__ = ["Ask", "RemoteLedger", "RemotePen"]

AWAY: Final = "The residency log cannot be reached, so nothing goes on. It is tried again; look at the recorder."
PATIENCE: Final = 10.0  # seconds for one entry
START: Final = 120.0  # seconds in which a recorder must have begun
MOST_WAITING: Final = 512  # entries of one process
THREADS: Final = 32


class Ask(Protocol):
    """Calls the recorder by the name of one of its methods, and waits."""

    def __call__(self, method: str, *given: bytes, patience: float) -> Any:
        """What the recorder gives. Raises anything at all when it does not, or not in time."""


class RemotePen:
    """See `serving.gate.Pen`."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="log-line")

    async def commit(self, entry: Entry, *, patience: float = PATIENCE) -> Receipt:
        """Return once the entry is durable under a signed head. Raises Unavailable when the recorder is away."""
        data = wire.tell(entry)
        with self._line.place():
            told = await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: self._line.call("write", data, patience=patience)
            )
        return wire.receive(told)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class RemoteLedger:
    """See `serving.ledger.Book`."""

    def __init__(self, ask: Ask) -> None:
        """Waits for the recorder; raises Unavailable when it does not come."""
        self._line = _Line(ask)
        hello = self._line.call("hello", patience=START)
        self._origin, self.node = str(hello["origin"]), str(hello["node"])
        self.pen = RemotePen(self._line)

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def tell(self, entry: Entry) -> None:
        """Write an entry and wait until it is durable."""
        with self._line.place():
            self._line.call("write", wire.tell(entry), patience=PATIENCE)

    def archive(self, data: bytes) -> None:
        """Keep an object that entries name by digest."""
        with self._line.place():
            self._line.call("archive", data, patience=PATIENCE)

    def missing(self) -> str:
        """What keeps the recorder's house from its work, or "". Raises Unavailable when it does not answer at once."""
        return str(self._line.call("hello", patience=2.0).get("missing", ""))

    def close(self) -> None:
        """Say no more. The log stays open where it is."""
        self.pen.close()


class _Line:
    """The way to the recorder, with room for so many who wait."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who wait."""
        if not self._room.acquire(blocking=False):
            raise Unavailable(AWAY)
        try:
            yield
        finally:
            self._room.release()

    def call(self, method: str, *given: bytes, patience: float) -> Any:
        """What the recorder says. Its refusal of an entry stays what it is; all else is Unavailable."""
        try:
            return self._ask(method, *given, patience=patience)
        except Malformed:
            raise Malformed("The recorder does not take this entry. All processes must run the same version.") from None
        except Exception:  # noqa: BLE001  Ray has many names for somebody who is not there
            raise Unavailable(AWAY) from None
