"""A bounded queue between the work and the collector. Putting something on it takes microseconds and never waits.

A collector that is down or slow holds up this belt's own thread and nobody else. When the belt is full, what comes is
dropped and counted: what waits is older, and tells how the trouble began.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from serving.telemetry.sieve import Tally

__all__ = ["THREAD", "Belt"]

Item = TypeVar("Item")
log = logging.getLogger(__name__)

THREAD: Final = "telemetry-"  # begins the names of belts' threads
BATCH: Final = 512  # items of one export
PATIENT: Final = 5  # times that the pause between two exports doubles while the collector takes nothing


class Belt(Generic[Item]):
    """Carries items of one signal to `export`, which says whether the collector took them; it may raise, and wait."""

    def __init__(
        self, signal: str, export: Callable[[Sequence[Item]], bool], tally: Tally, *, most: int, every: float
    ) -> None:
        """`most` items wait; `every` seconds, or when a batch is full, they are sent."""
        self._signal, self._export, self._tally, self._most, self._every = signal, export, tally, most, every
        self._items: deque[Item] = deque()
        self._news = threading.Condition()  # guards the items and the next three
        self._closing = self._hurry = False
        self._sending = 0
        self._missed = 0  # exports in a row that the collector did not take
        self._thread = threading.Thread(target=self._run, name=f"{THREAD}{signal}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Take an item along, or drop it when the belt is full or closed."""
        with self._news:
            if self._closing or len(self._items) >= self._most:
                self._tally.drop(self._signal, "full")
                return
            self._items.append(item)
            if len(self._items) == BATCH:
                self._news.notify_all()

    @property
    def waiting(self) -> int:
        """Items on the belt."""
        return len(self._items)

    def flush(self, timeout: float) -> bool:
        """Wait until the belt is empty and nothing is under way; False after `timeout` seconds."""
        with self._news:
            self._hurry = True
            self._news.notify_all()
            return self._news.wait_for(lambda: not self._items and not self._sending, timeout)

    def close(self, timeout: float) -> None:
        """Send what waits, for `timeout` seconds at most; then count the rest as dropped and leave."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join(timeout)
        with self._news:
            left = len(self._items)
            self._items.clear()
        if left:
            self._tally.drop(self._signal, "full", left)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(self._due, self._every * (1 << min(self._missed, PATIENT)))
                some = [self._items.popleft() for _ in range(min(BATCH, len(self._items)))]
                self._sending = len(some)
                self._hurry = self._hurry and bool(self._items)
                if self._closing and not some:
                    return
                if not some:
                    self._news.notify_all()  # who flushes an empty belt need not wait
            if some:
                self._send(some)

    def _due(self) -> bool:
        """Whether to send before the time. A collector that takes nothing is left alone until then."""
        return self._closing or self._hurry or (not self._missed and len(self._items) >= BATCH)

    def _send(self, some: list[Item]) -> None:
        try:
            taken = self._export(some)
        except Exception:  # noqa: BLE001 - whatever an exporter raises, the work must not hear of it
            taken = False
        if taken:
            self._tally.send(self._signal, len(some))
        else:
            self._tally.drop(self._signal, "failed", len(some))
        self._note(taken)
        with self._news:
            self._sending = 0
            self._news.notify_all()

    def _note(self, taken: bool) -> None:
        """Says when the collector begins to fail and when it is well again, not each time between."""
        if taken and self._missed:
            log.warning("The collector takes telemetry again.", extra={"signal": self._signal})
        elif not taken and not self._missed:
            log.warning("The collector takes no telemetry. What it misses is counted.", extra={"signal": self._signal})
        self._missed = 0 if taken else self._missed + 1
