"""Loose ends: decisions in the residency log that became no job and got no end, since their gateway was killed.

A gateway writes its decision before it reads a body, and the end of what became no job when the answer has left. What
falls in between, as a crash or an answer of the log that came too late, would stay open for ever, and an auditor could
not tell it from a film that was made and kept out of the log. Who writes the log reads on in it, and ends what is old
and no job. Decisions that were under way in a crash are its last entries, so after a start it looks back a number of
entries, and not a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from policies.log.reader import Log, open_source
from serving.ends import MOST, tell_all
from serving.errors import UnknownJob
from serving.gate import Pen, Place
from serving.jobs.job import JobId
from serving.jobs.store import Keep

__all__ = ["AGE_MS", "LooseEnds"]

AGE_MS: Final = 3_600_000  # in which a request has surely become a job or an answer
BACK: Final = 65_536  # entries before a start
BUNDLE: Final = 256  # entries
OPEN: Final = 100_000  # requests that are remembered; the oldest are forgotten


class LooseEnds:
    """Of one shard. `round` from time to time, one at a time."""

    def __init__(
        self, folder: Path, size: Callable[[], int], store: Keep, pen: Pen, place: Place, now: Callable[[], int]
    ) -> None:
        """`folder` is the shard's, `size` its entries now; `now` gives milliseconds since 1970."""
        self._log, self._size, self._store = Log(open_source(folder)), size, store
        self._pen, self._place, self._now = pen, place, now
        self._next = max(0, size() - BACK)  # entry that is read next
        self._open: dict[str, tuple[int, str]] = {}  # by request: when it was decided, and whose it is; oldest first

    async def round(self) -> int:
        """Ends what is old and no job, and returns how many that were. Raises PolicyError and Unavailable; then the
        next round goes on from there."""
        await asyncio.to_thread(self._read_on)
        old = [request for request, (at, _) in self._open.items() if at <= self._now() - AGE_MS]
        ended = 0
        for start in range(0, len(old), MOST):
            some = old[start : start + MOST]
            loose = [each for each in some if not await asyncio.to_thread(self._is_job, each)]
            await tell_all(self._pen, self._place, [(self._open[each][1], _job(each)) for each in loose])
            for each in some:  # a job has its end from its studio, or from the store
                del self._open[each]
            ended += len(loose)
        return ended

    def _read_on(self) -> None:
        while self._next < (size := self._size()):
            n = self._next // BUNDLE
            width = min(BUNDLE, size - n * BUNDLE)
            for data in self._bundle(n, width)[self._next - n * BUNDLE :]:
                self._take(data)
            self._next = n * BUNDLE + width

    def _bundle(self, n: int, width: int) -> list[bytes]:
        try:
            return self._log.bundle(n, width)
        except FileNotFoundError:  # pruned
            return []

    def _take(self, data: bytes) -> None:
        entry = json.loads(data)
        if entry["t"] == "route.decision" and entry["dec"] == "allow":
            self._open[entry["req"]] = (entry["ts"], entry["ten"])
            if len(self._open) > OPEN:
                del self._open[next(iter(self._open))]
        elif entry["t"] == "route.execution":
            self._open.pop(entry["req"], None)

    def _is_job(self, request: str) -> bool:
        try:
            self._store.look(JobId(_job(request)))
        except UnknownJob:
            return False
        return True


def _job(request: str) -> str:
    return request.removeprefix("r-")
