"""A film being made: what a job is, the states it can be in, and the only moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

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

    @property
    def progress(self) -> int:
        """Per cent, 100 only when the film is there."""
        if self.state is State.SUCCEEDED:
            return 100
        return min(99, 100 * self.chunks_done // max(1, self.chunks))
