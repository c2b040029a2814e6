"""What clients ask to see of the store: jobs, their places in the line, and how much waits. Many ask at one look.

A query costs much more than a row of it. So all who ask while one look is under way share the next one, and each gets
what it would have been told alone: the store as it is then, and nothing that was kept from before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serving.errors import UnknownJob
from serving.ferry import Ferry
from serving.jobs.job import Job, JobId, State, TenantId
from serving.jobs.records import Ahead, Backlog
from serving.jobs.store import Store
from serving.telemetry import BLIND, Eyes

__all__ = ["Foretell", "Lookout", "Seen", "Waits"]

NONE: Final = Backlog(queued=0, running=0, work_ms=0, oldest=None)
Asked = Job | tuple[TenantId, JobId]  # a job in hand, or whose and which
Waits = tuple[int, int]  # place in the line, 0 is next, and milliseconds until the film is expected
Foretell = Callable[[Job], Waits | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A job, and how it waits if it does."""

    job: Job
    waits: Waits | None


class Lookout:
    """Use it in one event loop."""

    def __init__(
        self, store: Store, *, hands: Callable[[], int], foretell: Foretell = lambda _: None, eyes: Eyes = BLIND
    ) -> None:
        """`hands` is how many jobs are worked on at once; `foretell` knows of some jobs how they wait, and is asked in
        a thread."""
        self.store, self.hands, self.foretell, self.eyes = store, hands, foretell, eyes
        self._jobs: Ferry[Asked, Seen] = Ferry(self._see, name="look")
        self._line: Ferry[TenantId, tuple[Backlog, int]] = Ferry(self._count, name="line")

    async def see(self, asked: Asked) -> Seen:
        """Raises UnknownJob for another tenant's job, as for one that never was."""
        with self.eyes.span("store.get_all"):
            return await self._jobs.cross(asked)

    async def waiting(self, tenant: TenantId) -> tuple[Backlog, int]:
        """What the cell has to do, and how many of this tenant's jobs wait."""
        with self.eyes.span("store.backlogs"):
            return await self._line.cross(tenant)

    def _count(self, tenants: Sequence[TenantId]) -> Sequence[tuple[Backlog, int]]:
        found = self.store.backlogs()
        whole = _together(found.values())
        return [(whole, found.get(tenant, NONE).queued) for tenant in tenants]

    def _see(self, asked: Sequence[Asked]) -> Sequence[Seen | UnknownJob]:
        found = iter(self.store.get_all([each for each in asked if not isinstance(each, Job)]))
        jobs = [each if isinstance(each, Job) else next(found) for each in asked]
        waits = self._waits([job for job in jobs if isinstance(job, Job) and job.state is State.QUEUED])
        return [Seen(job, waits.get(job.id)) if isinstance(job, Job) else job for job in jobs]

    def _waits(self, queued: Sequence[Job]) -> Mapping[JobId, Waits]:
        told = {job.id: known for job in queued if (known := self.foretell(job)) is not None}
        others = {job.id: job for job in queued if job.id not in told}
        ahead = self.store.ahead_all([(job.tenant, job.id) for job in others.values()])
        return told | {each: self._eta(others[each], before) for each, before in ahead.items()}

    def _eta(self, job: Job, ahead: Ahead) -> Waits:
        return ahead.jobs, ahead.work_ms // max(1, self.hands()) + job.estimated_ms


def _together(backlogs: Iterable[Backlog]) -> Backlog:
    every = list(backlogs)
    oldest = min((each.oldest for each in every if each.oldest is not None), default=None)
    return Backlog(
        queued=sum(each.queued for each in every),
        running=sum(each.running for each in every),
        work_ms=sum(each.work_ms for each in every),
        oldest=oldest,
    )
