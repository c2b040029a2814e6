"""A pen writes entries into an open log: it stamps each with time, chance and the writer's sequence.

The sequence has no holes, which is how an auditor sees that nothing was left out: a number is used up only when the
log has taken the entry. A pen begins with gap entries for what a crash before it lost.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for

from policies.errors import Broken, Unavailable
from policies.log.entry import Entry, Gap, Stamp, encode
from policies.log.writer import Receipt, Writer

__all__ = ["Pen"]


class Pen:
    """Writes entries under one writer id, drawn at random when it starts. Safe to use from any thread."""

    def __init__(self, log: Writer, *, now: Callable[[], int], rng: Callable[[int], bytes]) -> None:
        """`now` gives milliseconds since 1970; `rng` gives so many random bytes, such as `os.urandom`."""
        self.log, self._now, self._rng = log, now, rng
        self.writer = f"w-{rng(8).hex()}"
        self._next = 0
        self._turn = threading.Lock()  # guards _next: numbers go into the log in order

    @classmethod
    def open(cls, log: Writer, *, now: Callable[[], int], rng: Callable[[int], bytes]) -> Pen:
        """A pen whose gap entries, if there was a loss, are in the log already."""
        pen = cls(log, now=now, rng=rng)
        losses = log.lost
        gaps = [pen.write(Gap(gw=lost.writer, from_=lost.first, to=lost.last, why="crash")) for lost in losses]
        wait_for(gaps)
        if failed := [gap for gap in gaps if gap.exception()]:
            raise Broken(f"The log stopped while {len(failed)} gap entries were written.") from failed[0].exception()
        if losses:
            log.noted()
        return pen

    def write(self, entry: Entry, *, patience: float = 10.0, identity: str | None = None) -> Future[Receipt]:
        """Hand in an entry; the future is done when it is durable under a signed head. See `Writer.append`.

        `identity` is the entry's id where the author has drawn one already: 32 hexadecimal digits. An entry that may be
        told twice is known again by it.
        """
        with self._turn:
            return self._append(entry, patience, identity)

    async def commit(self, entry: Entry, *, patience: float = 10.0) -> Receipt:
        """`write` for coroutines: returns when the entry is in the log, and blocks no other coroutine."""
        future = self._at_once(entry)
        if future is None:
            future = await asyncio.to_thread(self.write, entry, patience=patience)
        return await asyncio.wrap_future(future)

    def _at_once(self, entry: Entry) -> Future[Receipt] | None:
        """As `write`; None when somebody would have to wait, for which a coroutine needs a thread."""
        if not self._turn.acquire(blocking=False):
            return None
        try:
            return self._append(entry, patience=0.0)
        except Unavailable:
            return None
        finally:
            self._turn.release()

    def _append(self, entry: Entry, patience: float, identity: str | None = None) -> Future[Receipt]:
        drawn, salt = identity or self._rng(16).hex(), self._rng(16).hex()
        stamp = Stamp(ts=self._now(), id=drawn, salt=salt, w=self.writer, n=self._next)
        future = self.log.append(encode(entry, stamp), patience=patience)
        self._next += 1  # only now: a number is used up when the log has taken the entry
        return future
