"""Waking those who wait for a change, in threads and in event loops, so that nobody polls hard.

A bell never carries news, only that it is worth looking: a ring may come late, twice or for nothing, and whoever waits
looks again by itself from time to time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

WORK: Final = "work"  # a job is queued
CANCEL: Final = "cancel"  # an owner wants the end of a running job


class Ear:
    """One waiter. It remembers a ring that came while nobody waited."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._lock = threading.Lock()  # guards `_sleeper`
        self._sleeper: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def ring(self) -> None:
        """Wake this one; from any thread."""
        self._rung.set()
        with self._lock:
            if self._sleeper is not None:
                loop, flag = self._sleeper
                with suppress(RuntimeError):  # the loop has ended, and with it the wait
                    loop.call_soon_threadsafe(flag.set)

    def wait(self, timeout_s: float) -> None:
        """Block this thread until a ring, or `timeout_s`."""
        self._rung.wait(max(0.0, timeout_s))
        self._rung.clear()

    async def heard(self, timeout_s: float) -> None:
        """Wait in this event loop until a ring, or `timeout_s`."""
        flag = asyncio.Event()
        with self._lock:
            self._sleeper = (asyncio.get_running_loop(), flag)
        try:
            if not self._rung.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(flag.wait(), timeout_s)
        finally:
            with self._lock:
                self._sleeper = None
            self._rung.clear()


class Bell:
    """Ears by topic: a job's id, `WORK` or `CANCEL`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards `_ears`
        self._ears: dict[str, set[Ear]] = defaultdict(set)
        self.rings = 0  # since it was hung up

    def ring(self, topic: str | None = None) -> None:
        """Wake the ears of a topic; without one, all."""
        with self._lock:
            self.rings += 1
            ears = [e for t, all_ears in self._ears.items() if topic in (None, t) for e in all_ears]
        for ear in ears:
            ear.ring()

    @contextmanager
    def ear(self, topic: str) -> Iterator[Ear]:
        """Listen. Look once after this, before the first wait, so that no change falls in between."""
        ear = Ear()
        with self._lock:
            self._ears[topic].add(ear)
        try:
            yield ear
        finally:
            with self._lock:
                self._ears[topic].discard(ear)
                if not self._ears[topic]:
                    del self._ears[topic]
