"""A job store in memory."""

from __future__ import annotations

from collections.abc import Callable

from serving.jobs.memory.accounts import MemoryAccounts
from serving.jobs.memory.bench import MemoryBench
from serving.jobs.memory.counter import MemoryCounter
from serving.jobs.memory.keep import MemoryKeep
from serving.jobs.memory.room import MemoryRoom
from serving.jobs.memory.tables import Tables
from serving.jobs.rules import Rules


class MemoryStore(MemoryCounter, MemoryBench, MemoryKeep, MemoryAccounts, MemoryRoom):
    """Keeps the promises of `serving.jobs.store.Store` while the process lives; `clock` gives ms since 1970 UTC."""

    def __init__(self, clock: Callable[[], int], rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._t = Tables(clock, self.rules)
