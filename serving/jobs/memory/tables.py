"""The tables of the in-memory store, and the one function that moves a job."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from serving.errors import Broken
from serving.jobs.accounts import DataKey, Erasure, WindowKept
from serving.jobs.bell import CANCEL, WORK, Bell
from serving.jobs.job import MOVES, Job, JobId, State, TenantId
from serving.jobs.records import Artefact, Event, Parcel, Usage
from serving.jobs.refusals import stale, unknown
from serving.jobs.room import Held
from serving.jobs.rules import Rules


@dataclass(slots=True)
class Posted:
    """A row of the outbox."""

    parcel: Parcel
    next_at: int
    delivered: bool = False


@dataclass(slots=True)
class Stored:
    """A row of the artefacts."""

    artefact: Artefact
    deleted: bool = False


@dataclass(slots=True)
class Tables:
    """Everything, behind one lock; `clock` is the store's."""

    clock: Callable[[], int]
    rules: Rules
    bell: Bell = field(default_factory=Bell)
    lock: threading.RLock = field(default_factory=threading.RLock)  # held for a whole transaction
    jobs: dict[JobId, Job] = field(default_factory=dict)
    keys: dict[tuple[TenantId, str], JobId] = field(default_factory=dict)  # by idempotency key
    checkpoints: dict[JobId, list[bytes]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    unlogged: dict[JobId, int] = field(default_factory=dict)  # ends that the log has not heard of, and when they were
    usage: dict[JobId, Usage] = field(default_factory=dict)
    outbox: dict[str, Posted] = field(default_factory=dict)
    artefacts: dict[str, Stored] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    turned_away: Counter[tuple[TenantId, int, str]] = field(default_factory=Counter)  # tenant, hour, reason
    windows: dict[tuple[TenantId, int], WindowKept] = field(default_factory=dict)
    erasures: dict[str, Erasure] = field(default_factory=dict)
    data_keys: dict[TenantId, DataKey] = field(default_factory=dict)  # that are not destroyed
    counted: dict[str, tuple[Held, int]] = field(default_factory=dict)  # by name, with when it was counted
    key_ids: dict[TenantId, list[str]] = field(default_factory=dict)  # of all that ever were

    def owned(self, tenant: TenantId, job: JobId) -> Job:
        """The job, if its tenant may see it."""
        found = self.jobs.get(job)
        if found is None or found.tenant != tenant or found.deleted is not None:
            raise unknown(job)
        return found

    def fenced(self, job: JobId, fence: int) -> Job:
        """The job, if this fence was the last that was given."""
        found = self.jobs.get(job)
        if found is None or found.fence != fence:
            raise stale(job, fence)
        return found

    def held(self, job: JobId, fence: int) -> Job:
        """The job, if it runs under this fence."""
        found = self.fenced(job, fence)
        if found.state is not State.RUNNING:
            raise stale(job, fence)
        return found

    def change(self, job: Job, **values: Any) -> Job:
        """Write a change that clients may see."""
        new = replace(job, revision=job.revision + 1, **values)
        self.jobs[job.id] = new
        self.bell.ring(job.id)
        if new.cancel_requested and not job.cancel_requested:
            self.bell.ring(CANCEL)
        return new

    def move(self, job: Job, state: State, **values: Any) -> Job:
        """Change the state, and all that follows from it."""
        if state not in MOVES[job.state]:
            raise Broken(f"A job cannot go from {job.state} to {state}. This is a mistake in the store; report it.")
        now = self.clock()
        if state is not State.RUNNING:
            values |= {"owner": None, "leased_until": None}
        if state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
            values |= {"finished": now}
        if state in (State.FAILED, State.CANCELLED):
            values |= {"reserved": 0}
            self.unlogged[job.id] = now
            self.drop_artefacts(job.id)
        new = self.change(job, state=state, **values)
        self.record(new, now, new.owner or job.owner)
        if new.terminal:
            self._end(new, now)
        if state is State.QUEUED:
            self.bell.ring(WORK)
        return new

    def record(self, job: Job, now: int, owner: str | None) -> None:
        """Add an event."""
        self.events.append(Event(job=job.id, at=now, state=job.state, fence=job.fence, owner=owner, note=job.error))

    def drop_artefacts(self, job: JobId) -> None:
        """Nobody shall have what this job has stored."""
        for stored in self.artefacts.values():
            if stored.artefact.job == job:
                stored.artefact = replace(stored.artefact, expires=min(stored.artefact.expires, self.clock()))

    def forget_address(self, job: JobId) -> None:
        """Nobody is told of this job's end any more, and where to is forgotten."""
        posted = self.outbox.get(f"evt_{job}")
        if posted is not None:
            posted.parcel, posted.delivered = replace(posted.parcel, address=""), True

    def _end(self, job: Job, now: int) -> None:
        self.checkpoints.pop(job.id, None)
        if job.webhook is None or job.state is State.EXPIRED:
            return
        event = f"evt_{job.id}"
        parcel = Parcel(
            event=event, job=job.id, tenant=job.tenant, state=job.state, address=job.webhook, at=now, tries=0
        )
        self.outbox[event] = Posted(parcel, now)
