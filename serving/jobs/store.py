"""The promise of a job store. Three keep it: SQLite, Postgres and an in-memory twin; one suite of tests holds them.

The calls are synchronous. Each is one short transaction, SQLite has no other kind, and a studio's loop is a thread
anyway. A handler of HTTP calls `await asyncio.to_thread(store.get, …)`; what waits long, waits without a thread in
`serving.jobs.watch`.

Time is the database's. A worker names its fence in every write; a worker whose fence is old hears `StaleFence` and
changes nothing. Every call may be repeated after a lost answer: it then finds its own work done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from serving.errors import CellError, UnknownJob
from serving.jobs.accounts import Accounts
from serving.jobs.bell import Bell
from serving.jobs.job import Draft, Job, JobId, State, TenantId
from serving.jobs.records import Ahead, Artefact, Backlog, Event, Listing, Parcel, Receipt, Usage
from serving.jobs.room import Room
from serving.jobs.rules import Rules


class Counter(Protocol):
    """What a client's request reaches. Another tenant's job is `UnknownJob`, and so is one that its owner deleted."""

    def submit(self, draft: Draft) -> Receipt:
        """Return only once the job is durable. Raises Conflict when the key was used for another request, Limited when
        a quota of the draft would be broken; of all gateways together, none is ever exceeded."""

    def submit_all(self, drafts: Sequence[Draft]) -> Sequence[Receipt | CellError]:
        """As `submit` for each, in one durable transaction: what one is refused with does not hurt the others."""

    def known(self, draft: Draft) -> Job | None:
        """The job that `submit` would find rather than make."""

    def get(self, tenant: TenantId, job: JobId) -> Job:
        """The job as it stands."""

    def get_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Sequence[Job | UnknownJob]:
        """As `get` for each, by one look: what one is refused with does not hurt the others."""

    def list(
        self,
        tenant: TenantId,
        *,
        after: JobId | None = None,
        limit: int = 20,
        newest_first: bool = True,
        states: Sequence[State] = (),
        offset: int = 0,
        since: int | None = None,
        until: int | None = None,
        model: str | None = None,
    ) -> Listing:
        """Jobs by time and id. `after` may be a job that is gone by now. Expired ones are listed only when asked for.

        Raises BadField for an `after` that this tenant never had."""

    def ahead(self, tenant: TenantId, job: JobId) -> Ahead | None:
        """What is claimed before this job; None when it does not wait."""

    def ahead_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Mapping[JobId, Ahead]:
        """As `ahead` for each, by one look; those that do not wait, or are not there, are left out."""

    def cancel(self, tenant: TenantId, job: JobId, *, only_queued: bool = False) -> Job:
        """End a queued job now, and ask for the end of a running one. A finished one raises NotPossible; a job whose
        end was asked for already is simply returned. With `only_queued`, whatever does not wait raises NotPossible."""

    def delete(self, tenant: TenantId, job: JobId) -> Job:
        """Hide a job from its clients at once, end it if need be, forget what was asked and who was to be told, and
        let its film expire."""

    def history(self, tenant: TenantId, job: JobId) -> Sequence[Event]:
        """All moves of a job, oldest first."""

    def artefact(self, tenant: TenantId, key: str) -> Artefact | None:
        """An object of this tenant that is not deleted."""


class Bench(Protocol):
    """What a studio does with a job. All that take a fence raise StaleFence when it is not the job's, or the job does
    not run any more."""

    def claim(self, owner: str, most: int = 1) -> Sequence[Job]:
        """Lease up to `most` jobs: larger priority first, then the earlier deadline, then the older."""

    def renew(self, job: JobId, fence: int) -> Job:
        """Lengthen the lease; the answer says whether the owner has cancelled."""

    def plan(self, job: JobId, fence: int, *, chunks: int, estimated_ms: int) -> Job:
        """Say how much there is to do, once the media are known."""

    def checkpoint(self, job: JobId, chunk: int, fence: int, codes: bytes) -> Job:
        """Keep a chunk, counted from 0 and in order, and lengthen the lease."""

    def resume(self, job: JobId, fence: int) -> Sequence[bytes]:
        """The codes of the chunks that are kept, in order."""

    def note(self, artefact: Artefact, fence: int) -> None:
        """Write an artefact down before it is uploaded. One that `complete` does not keep is deleted in time."""

    def complete(
        self, job: JobId, fence: int, *, result: str, usage: str, keep_ms: int, keys: Sequence[str] = ()
    ) -> Job:
        """State, result, usage, outbox and the life of `keys`, in one transaction; raises NotPossible when the job is
        cancelled: then `stop` it."""

    def fail(self, job: JobId, fence: int, *, error: str, text: str) -> Job:
        """End a job with a reason, of which the residency log has been told."""

    def hand_back(self, job: JobId, fence: int) -> Job:
        """Give a job to another studio, and do not count the attempt; a cancelled one ends."""

    def stop(self, job: JobId, fence: int) -> Job:
        """End a job whose owner has cancelled it, once the residency log has been told; raises NotPossible when nobody
        has."""

    def cancelled(self, owner: str) -> Sequence[JobId]:
        """The jobs of this studio whose owners want their end."""

    def wait_for_work(self, timeout_s: float) -> bool:
        """True once a job is queued, False after `timeout_s`."""

    def wait_for_cancel(self, owner: str, timeout_s: float) -> Sequence[JobId]:
        """As `cancelled`, once there is one; empty after `timeout_s`."""


class Keep(Protocol):
    """What the house does of itself, and what its operators see. No client's request reaches these."""

    @property
    def rules(self) -> Rules:
        """How long this store waits for whom."""

    @property
    def bell(self) -> Bell:
        """Rings for every change, by whichever process."""

    def now(self) -> int:
        """The database's clock."""

    def look(self, job: JobId) -> Job:
        """A job of any tenant, deleted or not."""

    def board(self, states: Sequence[State] = (), limit: int = 100) -> Sequence[Job]:
        """Jobs of all tenants, newest first."""

    def moves(self, job: JobId) -> Sequence[Event]:
        """All moves of a job of any tenant, oldest first."""

    def backlog(self) -> Backlog:
        """What there is to do."""

    def backlogs(self) -> Mapping[TenantId, Backlog]:
        """The same for each tenant; one with nothing to do is left out."""

    def earliest(self) -> int | None:
        """When the oldest job that has not ended was made; None when all have ended."""

    def reap(self) -> Sequence[Job]:
        """Put jobs whose lease has run out back, and end those that are cancelled, too late or tried too often.
        Somebody calls this every few seconds; a take-over takes the lease and that. A lease that ends later than one
        that is taken now is from before the clock went back, and is shortened to that."""

    def unlogged(self, most: int) -> Sequence[tuple[TenantId, JobId]]:
        """Jobs that failed or were cancelled while no studio had them, so that the residency log has not heard of their
        ends; the oldest first. Each comes again until `logged`."""

    def logged(self, jobs: Sequence[JobId]) -> None:
        """The residency log has heard of the ends of these."""

    def expire(self) -> Sequence[Job]:
        """End the life of films whose time has come, and forget what was asked, who was to be told, and old
        idempotency keys."""

    def keep(self, artefact: Artefact) -> None:
        """Write down an upload until its time has come."""

    def due_artefacts(self, most: int = 100) -> Sequence[Artefact]:
        """Objects whose time has come and that are not deleted yet. Those of a job that has not ended wait for its
        end: a studio may still be uploading them."""

    def gone(self, key: str) -> None:
        """An object was deleted."""

    def usage(self, since: int = 0, until: int | None = None) -> Sequence[Usage]:
        """What was billed, oldest first."""

    def due_parcels(self, most: int = 20) -> Sequence[Parcel]:
        """Events that are to be told now. Each comes again later, less and less often, until `delivered`."""

    def delivered(self, event: str) -> None:
        """The address has taken the event."""

    def close(self) -> None:
        """Let go of connections and threads."""


class Store(Counter, Bench, Keep, Accounts, Room, Protocol):
    """Jobs that never vanish."""
