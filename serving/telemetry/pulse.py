"""The steady readings: queue, engine, process and the watching itself. Taken at a pace of their own, so that neither a
scrape nor a collector ever reaches the database."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from model.engine import Stats
from serving.errors import CellError
from serving.jobs.records import Backlog
from serving.telemetry.eyes import Eyes, Told
from serving.telemetry.sieve import Tally

__all__ = ["Pulse"]

PACE: Final = 5.0  # seconds between two readings
PATIENCE: Final = 10.0  # seconds for one of them
_STATM: Final = Path("/proc/self/statm")


class Pulse:
    """Reads one process of a cell."""

    def __init__(self, eyes: Eyes, tally: Tally, waiting: Callable[[], Mapping[str, int]]) -> None:
        """`waiting` says how many items of each signal wait for the collector."""
        self._eyes, self._tally, self._waiting = eyes, tally, waiting
        self._told: dict[tuple[str, tuple[tuple[str, Told], ...]], float] = defaultdict(float)

    async def run(
        self,
        backlog: Callable[[], Backlog],
        stats: Callable[[], Stats] | None,
        ready: Callable[[], Awaitable[str]],
        pace: float = PACE,
    ) -> None:
        """Until cancelled. A reading that cannot be taken is left out."""
        while True:
            with suppress(CellError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    self.queue(await asyncio.to_thread(backlog), time.time_ns() // 1_000_000)
            with suppress(CellError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    self._eyes.gauge("equerry.cell.ready", float(not await ready()))
            if stats is not None:
                self.engine(stats())
            self.process()
            await asyncio.sleep(pace)

    def queue(self, backlog: Backlog, now: int) -> None:
        """What there is to do; `now` in milliseconds since 1970."""
        age = 0 if backlog.oldest is None else max(0, now - backlog.oldest)
        self._eyes.gauge("equerry.jobs.waiting", backlog.queued)
        self._eyes.gauge("equerry.jobs.running", backlog.running)
        self._eyes.gauge("equerry.jobs.work", backlog.work_ms / 1000)
        self._eyes.gauge("equerry.jobs.oldest", age / 1000)

    def engine(self, stats: Stats) -> None:
        """What the engine does and has done."""
        self._eyes.gauge("equerry.engine.running", stats.running)
        self._eyes.gauge("equerry.engine.waiting", stats.waiting)
        if stats.cache_use is not None:
            self._eyes.gauge("equerry.engine.cache.use", stats.cache_use)
        for name in ("slots", "steps", "busy", "restarts"):
            self._grown(f"equerry.engine.{name}", getattr(stats, name))

    def process(self) -> None:
        """This process, and what became of what it told."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._grown("equerry.process.cpu", used.ru_utime + used.ru_stime)
        with suppress(OSError, ValueError, IndexError):  # there is no /proc everywhere
            pages = int(_STATM.read_text("ascii").split()[1])
            self._eyes.gauge("equerry.process.memory", pages * os.sysconf("SC_PAGE_SIZE"))
        for (signal, cause), count in self._tally.dropped.items():
            self._grown("equerry.telemetry.dropped", count, signal=signal, cause=cause)
        for signal, count in self._tally.sent.items():
            self._grown("equerry.telemetry.exported", count, signal=signal)
        for signal, count in self._waiting().items():
            self._eyes.gauge("equerry.telemetry.queue", count, signal=signal)

    def _grown(self, metric: str, total: float, **labels: Told) -> None:
        """A counter whose total somebody else keeps: what it has grown by since the last reading."""
        key = (metric, tuple(sorted(labels.items())))
        if total > self._told[key]:
            self._eyes.count(metric, total - self._told[key], **labels)
            self._told[key] = total
