"""Requests for films that never came as far as admission: refused at the gate, or answered with an error of ours.

They count in the hour's window like those that admission turns away, so that a cell that answers 503 cannot be called
available. While the store is away, which is when such answers are given, they are remembered here and counted once it
is back, in the hour that it is then; those of a process that is killed meanwhile are not counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Final, Protocol

from policies.sla import Rejection
from serving.errors import CellError
from serving.jobs.job import TenantId

__all__ = ["Refusals"]

AT_ONCE: Final = 100  # counts that are written after one request; the next one writes more


class Counts(Protocol):
    """The job store, as far as this goes."""

    def turn_away(self, tenant: TenantId, reason: str) -> None: ...


class Refusals:
    """Counts for one gateway. It never fails, and holds no more than a number for each tenant and reason."""

    def __init__(self, store: Counts) -> None:
        self._store = store
        self._turn = threading.Lock()  # guards `_waiting`
        self._waiting: Counter[tuple[TenantId, Rejection]] = Counter()
        self._writing = False  # read and set in the event loop alone

    async def count(self, tenant: str, why: Rejection) -> None:
        """One request of a tenant that no film came of."""
        with self._turn:
            self._waiting[TenantId(tenant), why] += 1
        if not self._writing:  # else whoever writes takes this one along
            self._writing = True
            try:
                await asyncio.to_thread(self._write)
            finally:
                self._writing = False

    def _write(self) -> None:
        for _ in range(AT_ONCE):
            with self._turn:
                key = next(iter(self._waiting), None)
                if key is None:
                    return
                self._waiting.subtract([key])
                self._waiting += Counter()  # without zeros
            try:
                self._store.turn_away(*key)
            except CellError:
                with self._turn:
                    self._waiting[key] += 1
                return
