"""What a store keeps beside jobs: events, usage, artefacts and the outbox. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass

from serving.jobs.job import Job, JobId, State, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to a submit."""

    job: Job
    fresh: bool  # False when an earlier submit had made the job


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Some of a tenant's jobs."""

    jobs: tuple[Job, ...]
    more: bool  # there are others behind the last one
    total: int  # that match, on all pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What stands before a queued job."""

    jobs: int  # queued ones that are claimed earlier
    work_ms: int  # of engine time, theirs and what is left of the running ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a cell has to do; admission and autoscaling read it."""

    queued: int
    running: int
    work_ms: int  # of engine time that is left in both
    oldest: int | None  # when the longest-waiting job was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One move of a job. Events are only ever added."""

    job: JobId
    at: int
    state: State
    fence: int
    owner: str | None  # the studio that held the job before or after the move
    note: str | None  # error code


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a finished job is billed by; there is one for each job that succeeded, and none for any other."""

    job: JobId
    tenant: TenantId
    at: int
    line: str  # JSON for the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """An object in the cell's object store. It is written down before it is uploaded, so that none is ever orphaned."""

    key: str  # immutable; of a film it contains job and fence
    tenant: TenantId
    job: JobId | None  # None for an upload
    sha256: str
    key_id: str  # of the key that encrypts it; empty when none does
    expires: int  # then it is deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One event that is to be told to a webhook."""

    event: str  # stable: the same in every try
    job: JobId
    tenant: TenantId
    state: State
    address: str
    at: int  # of the event
    tries: int  # with this one
