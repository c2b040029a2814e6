"""What clients may ask of a store, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from serving.errors import CellError, UnknownJob
from serving.jobs.job import Draft, Job, JobId, State, TenantId, claim_order
from serving.jobs.memory.tables import Tables
from serving.jobs.records import Ahead, Artefact, Event, Listing, Receipt
from serving.jobs.refusals import finished, key_taken, started, unknown_anchor
from serving.meter.month import month_of
from serving.meter.quotas import MINUTE_MS, Tally, hold

_WIPED: Final = {"order": "{}", "webhook": None, "result": None}


class MemoryCounter:
    """The client's half of a store; `serving.jobs.store.Counter` tells what each call promises."""

    _t: Tables

    def submit(self, draft: Draft) -> Receipt:
        with self._t.lock:
            job = self._earlier(draft)
            if job is None:
                self._hold(draft)
                job = self._new(draft)
            if job.fingerprint != draft.fingerprint:
                raise key_taken()
            return Receipt(job=job, fresh=job.id == draft.id)

    def submit_all(self, drafts: Sequence[Draft]) -> Sequence[Receipt | CellError]:
        with self._t.lock:
            return [self._tried(draft) for draft in drafts]

    def _tried(self, draft: Draft) -> Receipt | CellError:
        try:
            return self.submit(draft)
        except CellError as refusal:
            return refusal

    def _earlier(self, draft: Draft) -> Job | None:
        t = self._t
        if draft.retry_window_ms:
            since = t.clock() - draft.retry_window_ms
            equal = [j for j in self._of(draft.tenant) if j.fingerprint == draft.fingerprint and j.created >= since]
            recent = min(equal, key=_age, default=None)
            if recent is not None:
                return recent
        if draft.id in t.jobs:
            return t.jobs[draft.id]
        known = t.keys.get((draft.tenant, draft.idempotency_key)) if draft.idempotency_key is not None else None
        return None if known is None else t.jobs[known]

    def known(self, draft: Draft) -> Job | None:
        with self._t.lock:
            return self._earlier(draft)

    def _hold(self, draft: Draft) -> None:
        now = self._t.clock()
        since = month_of(now).since
        for quota in draft.quotas:
            jobs = [j for j in self._t.jobs.values() if j.tenant == draft.tenant and quota.key in ("", j.key)]
            young = sorted((j.created for j in jobs if j.created > now - MINUTE_MS), reverse=True)
            full = quota.per_minute is not None and len(young) >= quota.per_minute
            tally = Tally(
                now=now,
                edge=young[(quota.per_minute or 1) - 1] if full else None,
                open=sum(not j.terminal for j in jobs),
                spent=sum(j.reserved for j in jobs if j.created >= since),
            )
            hold(quota, tally, draft.reserve)

    def _new(self, draft: Draft) -> Job:
        t, now = self._t, self._t.clock()
        job = Job(
            id=draft.id,
            tenant=draft.tenant,
            state=State.QUEUED,
            order=draft.order,
            priority=draft.priority,
            estimated_ms=draft.estimated_ms,
            chunks=draft.chunks,
            chunks_done=0,
            fence=0,
            attempts=0,
            cancel_requested=False,
            created=now,
            started=None,
            finished=None,
            deadline=None if draft.start_within_ms is None else now + draft.start_within_ms,
            expires=None,
            result=None,
            error=None,
            error_text=None,
            model=draft.model,
            jurisdiction=draft.jurisdiction,
            policy_digest=draft.policy_digest,
            model_digest=draft.model_digest,
            fingerprint=draft.fingerprint,
            webhook=draft.webhook,
            due=None if draft.due_within_ms is None else now + draft.due_within_ms,
            terms=draft.terms,
            key=draft.key,
            reserved=draft.reserve,
        )
        t.jobs[job.id] = job
        if draft.idempotency_key is not None:
            t.keys[draft.tenant, draft.idempotency_key] = job.id
        t.record(job, now, None)
        t.bell.ring()
        return job

    def get(self, tenant: TenantId, job: JobId) -> Job:
        with self._t.lock:
            return self._t.owned(tenant, job)

    def get_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Sequence[Job | UnknownJob]:
        with self._t.lock:
            return [self._found(tenant, job) for tenant, job in wanted]

    def _found(self, tenant: TenantId, job: JobId) -> Job | UnknownJob:
        try:
            return self._t.owned(tenant, job)
        except UnknownJob as error:
            return error

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
        with self._t.lock:
            found = [
                j
                for j in self._of(tenant)
                if (j.state in states if states else j.state is not State.EXPIRED)
                and j.created >= (since or 0)
                and (until is None or j.created < until)
                and model in (None, j.model)
            ]
            rest = sorted(found, key=_age, reverse=newest_first)
            if after is not None:
                anchor = _age(self._anchor(tenant, after))
                rest = [j for j in rest if (_age(j) < anchor if newest_first else _age(j) > anchor)]
            rest = rest[offset:]
            return Listing(jobs=tuple(rest[:limit]), more=len(rest) > limit, total=len(found))

    def ahead(self, tenant: TenantId, job: JobId) -> Ahead | None:
        with self._t.lock:
            mine = self._t.owned(tenant, job)
            if mine.state is not State.QUEUED:
                return None
            everyone = self._t.jobs.values()
            before = [j for j in everyone if j.state is State.QUEUED and claim_order(j) < claim_order(mine)]
            running = sum(left_ms(j) for j in everyone if j.state is State.RUNNING)
            return Ahead(jobs=len(before), work_ms=sum(j.estimated_ms for j in before) + running)

    def ahead_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Mapping[JobId, Ahead]:
        with self._t.lock:
            known = [(tenant, job) for tenant, job in wanted if not isinstance(self._found(tenant, job), UnknownJob)]
            found = {job: self.ahead(tenant, job) for tenant, job in known}
            return {job: ahead for job, ahead in found.items() if ahead is not None}

    def cancel(self, tenant: TenantId, job: JobId, *, only_queued: bool = False) -> Job:
        with self._t.lock:
            found = self._t.owned(tenant, job)
            if found.state is State.QUEUED:
                return self._t.move(found, State.CANCELLED, cancel_requested=True)
            if found.state is State.RUNNING and only_queued:
                raise started(found)
            if found.state is State.RUNNING and not found.cancel_requested:
                return self._t.change(found, cancel_requested=True)
            if only_queued or found.state not in (State.RUNNING, State.CANCELLED):
                raise finished(found)
            return found

    def delete(self, tenant: TenantId, job: JobId) -> Job:
        with self._t.lock:
            found = self._t.owned(tenant, job)
            gone = {"deleted": self._t.clock(), **_WIPED}
            self._t.forget_address(job)
            self._t.drop_artefacts(job)
            if found.state is State.QUEUED:
                return self._t.move(found, State.CANCELLED, cancel_requested=True, **gone)
            if found.terminal and found.state is not State.EXPIRED:
                return self._t.move(found, State.EXPIRED, **gone)
            return self._t.change(found, cancel_requested=not found.terminal or found.cancel_requested, **gone)

    def history(self, tenant: TenantId, job: JobId) -> Sequence[Event]:
        with self._t.lock:
            self._t.owned(tenant, job)
            return tuple(e for e in self._t.events if e.job == job)

    def artefact(self, tenant: TenantId, key: str) -> Artefact | None:
        with self._t.lock:
            stored = self._t.artefacts.get(key)
            if stored is None or stored.deleted or stored.artefact.tenant != tenant:
                return None
            return stored.artefact if stored.artefact.expires > self._t.clock() else None

    def _of(self, tenant: TenantId) -> Sequence[Job]:
        return [j for j in self._t.jobs.values() if j.tenant == tenant and j.deleted is None]

    def _anchor(self, tenant: TenantId, after: JobId) -> Job:
        found = self._t.jobs.get(after)
        if found is None or found.tenant != tenant:
            raise unknown_anchor(after)
        return found


def left_ms(job: Job) -> int:
    """Engine time that is left of a job."""
    return job.estimated_ms - (job.estimated_ms * job.chunks_done // job.chunks if job.chunks else 0)


def _age(job: Job) -> tuple[int, str]:
    return job.created, job.id
