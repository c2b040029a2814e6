"""What the house does of itself, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from serving.jobs.bell import Bell
from serving.jobs.job import Job, JobId, State, TenantId
from serving.jobs.memory.counter import left_ms
from serving.jobs.memory.tables import Stored, Tables
from serving.jobs.records import Artefact, Backlog, Event, Parcel, Usage
from serving.jobs.refusals import ATTEMPTS_TEXT, DEADLINE_TEXT, unknown


class MemoryKeep:
    """The house's half of a store; `serving.jobs.store.Keep` tells what each call promises."""

    _t: Tables

    @property
    def bell(self) -> Bell:
        return self._t.bell

    def now(self) -> int:
        return self._t.clock()

    def look(self, job: JobId) -> Job:
        with self._t.lock:
            if job not in self._t.jobs:
                raise unknown(job)
            return self._t.jobs[job]

    def board(self, states: Sequence[State] = (), limit: int = 100) -> Sequence[Job]:
        with self._t.lock:
            found = [j for j in self._t.jobs.values() if j.state in (states or State)]
            return sorted(found, key=lambda j: (j.created, j.id), reverse=True)[:limit]

    def moves(self, job: JobId) -> Sequence[Event]:
        with self._t.lock:
            return tuple(e for e in self._t.events if e.job == job)

    def backlog(self) -> Backlog:
        with self._t.lock:
            return _backlog(self._open())

    def backlogs(self) -> Mapping[TenantId, Backlog]:
        with self._t.lock:
            found = self._open()
            return {who: _backlog([j for j in found if j.tenant == who]) for who in {j.tenant for j in found}}

    def earliest(self) -> int | None:
        with self._t.lock:
            return min((j.created for j in self._open()), default=None)

    def _open(self) -> Sequence[Job]:
        return [j for j in self._t.jobs.values() if not j.terminal]

    def reap(self) -> Sequence[Job]:
        with self._t.lock:
            now = self._t.clock()
            self._shorten_leases(now + self._t.rules.lease_ms)
            running = [j for j in self._t.jobs.values() if j.leased_until is not None and j.leased_until <= now]
            freed = [self._free(j, now) for j in running]
            queued = [j for j in self._t.jobs.values() if j.state is State.QUEUED and _late(j, now)]
            return (*freed, *(self._t.move(j, State.FAILED, **_reason("deadline")) for j in queued))

    def _shorten_leases(self, last: int) -> None:
        for job in [j for j in self._t.jobs.values() if j.leased_until is not None and j.leased_until > last]:
            self._t.jobs[job.id] = replace(job, leased_until=last)

    def _free(self, job: Job, now: int) -> Job:
        if job.cancel_requested:
            return self._t.move(job, State.CANCELLED)
        if job.attempts >= self._t.rules.most_attempts:
            return self._t.move(job, State.FAILED, **_reason("attempts"))
        if _late(job, now):
            return self._t.move(job, State.FAILED, **_reason("deadline"))
        return self._t.move(job, State.QUEUED)

    def unlogged(self, most: int) -> Sequence[tuple[TenantId, JobId]]:
        with self._t.lock:
            oldest = sorted(self._t.unlogged, key=lambda job: (self._t.unlogged[job], job))
            return tuple((self._t.jobs[job].tenant, job) for job in oldest[:most])

    def logged(self, jobs: Sequence[JobId]) -> None:
        with self._t.lock:
            for job in jobs:
                self._t.unlogged.pop(job, None)

    def expire(self) -> Sequence[Job]:
        with self._t.lock:
            now, rules = self._t.clock(), self._t.rules
            old = {i for i, j in self._t.jobs.items() if j.created <= now - rules.keep_key_ms}
            self._t.keys = {key: i for key, i in self._t.keys.items() if i not in old}
            due = [j for j in self._t.jobs.values() if _over(j, now, rules.keep_failed_ms)]
            for job in due:
                self._t.forget_address(job.id)
            return [self._t.move(j, State.EXPIRED, order="{}", webhook=None, result=None) for j in due]

    def keep(self, artefact: Artefact) -> None:
        with self._t.lock:
            self._t.artefacts.setdefault(artefact.key, Stored(artefact))

    def due_artefacts(self, most: int = 100) -> Sequence[Artefact]:
        with self._t.lock:
            now = self._t.clock()
            open_ = {j.id for j in self._open()}
            left = [s.artefact for s in self._t.artefacts.values() if not s.deleted and s.artefact.job not in open_]
            due = [a for a in left if a.expires <= now]
            return sorted(due, key=lambda a: (a.expires, a.key))[:most]

    def gone(self, key: str) -> None:
        with self._t.lock:
            self._t.artefacts[key].deleted = True

    def usage(self, since: int = 0, until: int | None = None) -> Sequence[Usage]:
        with self._t.lock:
            found = [u for u in self._t.usage.values() if u.at >= since and (until is None or u.at < until)]
            return sorted(found, key=lambda u: (u.at, u.job))

    def due_parcels(self, most: int = 20) -> Sequence[Parcel]:
        with self._t.lock:
            now, rules = self._t.clock(), self._t.rules
            open_ = [p for p in self._t.outbox.values() if not p.delivered and p.parcel.tries < rules.webhook_tries]
            waiting = sorted((p for p in open_ if p.next_at <= now), key=lambda p: (p.next_at, p.parcel.event))
            turns = {tenant: count() for tenant in {p.parcel.tenant for p in waiting}}  # so no tenant holds up another
            due = sorted(waiting, key=lambda p: next(turns[p.parcel.tenant]))[:most]
            for posted in due:
                posted.next_at = now + (rules.webhook_base_ms << posted.parcel.tries)
                posted.parcel = replace(posted.parcel, tries=posted.parcel.tries + 1)
            return sorted((p.parcel for p in due), key=lambda parcel: (parcel.at, parcel.event))

    def delivered(self, event: str) -> None:
        with self._t.lock:
            self._t.outbox[event].delivered = True

    def close(self) -> None:
        self._t.bell.ring()


def _backlog(jobs: Sequence[Job]) -> Backlog:
    """Of jobs that are queued or running."""
    queued = [j for j in jobs if j.state is State.QUEUED]
    oldest = min((j.created for j in queued), default=None)
    return Backlog(queued=len(queued), running=len(jobs) - len(queued), work_ms=sum(map(left_ms, jobs)), oldest=oldest)


def _late(job: Job, now: int) -> bool:
    return job.deadline is not None and job.deadline <= now


def _over(job: Job, now: int, keep_failed_ms: int) -> bool:
    if job.state is State.SUCCEEDED:
        return job.expires is not None and job.expires <= now
    ended = job.state in (State.FAILED, State.CANCELLED)
    return ended and job.finished is not None and job.finished <= now - keep_failed_ms


def _reason(error: str) -> dict[str, str]:
    return {"error": error, "error_text": ATTEMPTS_TEXT if error == "attempts" else DEADLINE_TEXT}
