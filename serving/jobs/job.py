"""A film being made: what a job is, the states it can be in, and the only moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

from serving.meter.quotas import Quota

JobId = NewType("JobId", str)  # 32 hexadecimal digits of a UUIDv4
TenantId = NewType("TenantId", str)


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # durable, waiting for a studio
    RUNNING = "running"  # leased by one studio
    SUCCEEDED = "succeeded"  # the film can be fetched
    FAILED = "failed"  # with a reason
    CANCELLED = "cancelled"  # by its owner
    EXPIRED = "expired"  # the film was deleted by retention or by its owner; the record stays


TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})
MOVES: Final = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset({State.EXPIRED}),
    State.FAILED: frozenset({State.EXPIRED}),
    State.CANCELLED: frozenset({State.EXPIRED}),
    State.EXPIRED: frozenset[State](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as its store knows it. Times are milliseconds since 1970 UTC by the store's clock."""

    id: JobId
    tenant: TenantId
    state: State
    order: str  # JSON of what is to be made, with the prompt: it never leaves the cell, and no log shows it
    priority: int  # the larger goes first
    estimated_ms: int  # of engine time, from the layout's cost
    chunks: int  # in all
    chunks_done: int  # checkpointed
    fence: int  # grows with each claim; every write of a worker carries it
    attempts: int
    cancel_requested: bool
    created: int
    started: int | None
    finished: int | None
    deadline: int | None  # a start after this is pointless
    expires: int | None  # the film's end of life
    result: str | None  # JSON: key, sha256, bytes, seconds, width, height …
    error: str | None  # code for the dialects to translate: generation_failed | deadline | invalid_media | …
    error_text: str | None  # for the caller; never internals
    model: str = ""  # as the caller spells it
    revision: int = 0  # grows with each change that a client may see
    jurisdiction: str = ""
    policy_digest: str = ""  # of the policy that let it in
    model_digest: str = ""  # of the weights that it is for
    fingerprint: str = ""  # of what was asked, to tell a retry from another request
    webhook: str | None = None  # address that is told of the end
    owner: str | None = None  # the studio that holds the lease
    leased_until: int | None = None
    deleted: int | None = None  # when its owner deleted it; from then on no client sees it
    due: int | None = None  # the latest start that keeps what was promised; a later one is late, and not pointless
    terms: str = "{}"  # JSON of what was agreed: class of service, promise, price; see `serving.sla.terms`
    key: str = ""  # id of the caller's key
    reserved: int = 0  # held against a spend cap, in the minor unit; nothing once the job has failed or was cancelled

    @property
    def terminal(self) -> bool:
        """Whether nothing more will be made."""
        return self.state in TERMINAL

    @property
    def progress(self) -> int:
        """Per cent, 100 only when the film is there."""
        if self.state is State.SUCCEEDED:
            return 100
        return min(99, 100 * self.chunks_done // max(1, self.chunks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job that is not durable yet. Its maker draws the id, so a submit that is tried again stays one job."""

    id: JobId
    tenant: TenantId
    order: str  # JSON, as in `Job`
    fingerprint: str
    estimated_ms: int
    chunks: int = 0  # 0 until a studio has seen the media and calls `plan`
    model: str = ""
    jurisdiction: str = ""
    policy_digest: str = ""
    model_digest: str = ""
    priority: int = 0
    start_within_ms: int | None = None  # by the store's clock; then the job fails with `deadline`
    idempotency_key: str | None = None
    retry_window_ms: int = 0  # an equal job of this age or younger is taken for this one; 0 makes a new one
    webhook: str | None = None
    due_within_ms: int | None = None  # by the store's clock; see `Job.due`
    terms: str = "{}"  # as in `Job`
    key: str = ""  # as in `Job`
    reserve: int = 0  # becomes `Job.reserved`
    quotas: tuple[Quota, ...] = ()  # held in the transaction that makes the job; a repeat of an old job breaks none


def new_id(random: bytes) -> JobId:
    """A UUIDv4 from 16 random bytes, as 32 hexadecimal digits (RFC 9562)."""
    return JobId(UUID(bytes=random, version=4).hex)


def claim_order(job: Job) -> tuple[int, bool, int, int, str]:
    """Sorts queued jobs as they are claimed: larger priority, then due or deadline, then age."""
    due = job.deadline if job.due is None else job.due
    return -job.priority, due is None, due or 0, job.created, job.id
