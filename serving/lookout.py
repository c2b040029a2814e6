"""What clients ask to see of the store: jobs, their places in the line, and how much waits. Many ask at one look.

A query costs much more than a row of it, so all who ask while one look is under way share the next one. What a job is
comes from the store as it is then. How many wait before it does too while the line is short; a look at a long line
serves for a quarter of a second, or for ten times as long as it took, since it costs as much as the line is long.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from serving.errors import UnknownJob
from serving.ferry import Ferry
from serving.glimpse import Glimpse, glimpse_of
from serving.jobs.job import Job, JobId, State, TenantId
from serving.jobs.records import Ahead, Backlog
from serving.jobs.store import Store
from serving.telemetry import BLIND, Eyes

__all__ = ["Foretell", "Lookout", "Seen", "Waits"]

NONE: Final = Backlog(queued=0, running=0, work_ms=0, oldest=None)
SHORT: Final = 256  # jobs; a look at so many takes less than a millisecond
KEPT_S: Final = 0.25  # how long a look at a longer line serves, at least
SHARE: Final = 10  # and how many times as long as it took
MOST: Final = 16_384  # jobs of a line that are kept; whoever is behind them asks the store
Asked = Job | tuple[TenantId, JobId]  # a job in hand, or whose and which
Waits = tuple[int, int]  # place in the line, 0 is next, and milliseconds until the film is expected
Foretell = Callable[[Job], Waits | None]
Found = TypeVar("Found")
Backlogs = Mapping[TenantId, Backlog]


@dataclass(frozen=True, slots=True)
class Seen:
    """A job, and how it waits if it does."""

    job: Job
    waits: Waits | None


class Lookout:
    """Use it in one event loop."""

    def __init__(
        self,
        store: Store,
        *,
        hands: Callable[[], int],
        foretell: Foretell = lambda _: None,
        eyes: Eyes = BLIND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hands` is how many jobs are worked on at once; `foretell` knows of some jobs how they wait, and is asked in
        a thread; `clock` gives seconds that never go back."""
        self.store, self.hands, self.foretell, self.eyes, self.clock = store, hands, foretell, eyes, clock
        self._jobs: Ferry[Asked, Seen] = Ferry(self._see, name="look")
        self._line: Ferry[TenantId, tuple[Backlog, int]] = Ferry(self._count, name="line")
        self._turn = threading.Lock()  # guards the next two
        self._backlogs: Backlogs = {}
        self._since = Counter[TenantId]()  # jobs that this gateway has taken on since they were counted
        self._glimpse: Glimpse | None = None  # of a long line
        self._count_again = self._glimpse_again = clock()  # from then on

    async def see(self, asked: Asked) -> Seen:
        """Raises UnknownJob for another tenant's job, as for one that never was."""
        with self.eyes.span("store.get_all"):
            return await self._jobs.cross(asked)

    async def waiting(self, tenant: TenantId) -> tuple[Backlog, int]:
        """What the cell has to do, and how many of this tenant's jobs wait."""
        with self.eyes.span("store.backlogs"):
            return await self._line.cross(tenant)

    def took(self, tenant: TenantId) -> None:
        """Keep in mind that a job of this tenant waits from now on."""
        with self._turn:
            self._since[tenant] += 1

    def _count(self, tenants: Sequence[TenantId]) -> Sequence[tuple[Backlog, int]]:
        with self._turn:
            found, since = self._backlogs, dict(self._since)
        if sum(each.queued for each in found.values()) <= SHORT or self.clock() >= self._count_again:
            found, since = self._counted_anew(), {}
        whole = _together(found.values(), sum(since.values()))
        return [(whole, found.get(each, NONE).queued + since.get(each, 0)) for each in tenants]

    def _counted_anew(self) -> Backlogs:
        with self._turn:
            self._since.clear()  # what is taken on from here may be counted twice for a moment, and never not at all
        found, self._count_again = self._served(self.store.backlogs)
        with self._turn:
            self._backlogs = found
        return found

    def _see(self, asked: Sequence[Asked]) -> Sequence[Seen | UnknownJob]:
        found = iter(self.store.get_all([each for each in asked if not isinstance(each, Job)]))
        jobs = [each if isinstance(each, Job) else next(found) for each in asked]
        waits = self._waits([job for job in jobs if isinstance(job, Job) and job.state is State.QUEUED])
        return [Seen(job, waits.get(job.id)) if isinstance(job, Job) else job for job in jobs]

    def _waits(self, queued: Sequence[Job]) -> Mapping[JobId, Waits]:
        told = {job.id: known for job in queued if (known := self.foretell(job)) is not None}
        others = {job.id: job for job in queued if job.id not in told}
        return told | {each: self._eta(others[each], before) for each, before in self._ahead(others).items()}

    def _ahead(self, queued: Mapping[JobId, Job]) -> Mapping[JobId, Ahead]:
        """Of these jobs; one that has left the line meanwhile may be missing."""
        if not queued:
            return {}
        glimpse = self._long()
        seen = {} if glimpse is None else {each: glimpse.ahead(job) for each, job in queued.items()}
        known = {each: ahead for each, ahead in seen.items() if ahead is not None}
        return {**known, **self._asked([job for each, job in queued.items() if each not in known])}

    def _asked(self, queued: Sequence[Job]) -> Mapping[JobId, Ahead]:
        found = self.store.ahead_all([(job.tenant, job.id) for job in queued]) if queued else {}
        if self._glimpse is None and max((each.jobs for each in found.values()), default=0) > SHORT:
            self._look_along()
        return found

    def _long(self) -> Glimpse | None:
        """The line, if it was long a moment ago."""
        if self._glimpse is not None and self.clock() >= self._glimpse_again:
            self._look_along()
        return self._glimpse

    def _look_along(self) -> None:
        found, self._glimpse_again = self._served(lambda: glimpse_of(*self.store.line(MOST), MOST))
        self._glimpse = found if len(found.places) > SHORT else None

    def _served(self, look: Callable[[], Found]) -> tuple[Found, float]:
        """What a look finds, and until when it serves."""
        began = self.clock()
        found = look()
        return found, began + max(KEPT_S, SHARE * (self.clock() - began))

    def _eta(self, job: Job, ahead: Ahead) -> Waits:
        return ahead.jobs, ahead.work_ms // max(1, self.hands()) + job.estimated_ms


def _together(backlogs: Iterable[Backlog], more: int) -> Backlog:
    """What all of them are, and so many jobs more that nobody has counted yet."""
    every = list(backlogs)
    oldest = min((each.oldest for each in every if each.oldest is not None), default=None)
    return Backlog(
        queued=sum(each.queued for each in every) + more,
        running=sum(each.running for each in every),
        work_ms=sum(each.work_ms for each in every),
        oldest=oldest,
    )
