"""What a studio does with a job, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from serving.errors import CellError
from serving.jobs.bell import CANCEL, WORK
from serving.jobs.job import Job, JobId, State, claim_order
from serving.jobs.memory.tables import Stored, Tables
from serving.jobs.records import Artefact, Usage
from serving.jobs.refusals import never_noted, no_job, out_of_order, stale, wanted_alive, wanted_dead

T = TypeVar("T")


class MemoryBench:
    """The studio's half of a store; `serving.jobs.store.Bench` tells what each call promises."""

    _t: Tables

    def claim(self, owner: str, most: int = 1) -> Sequence[Job]:
        with self._t.lock:
            return [self._lease(job, owner) for job in sorted(self._waiting(), key=claim_order)[:most]]

    def _lease(self, job: Job, owner: str) -> Job:
        now = self._t.clock()
        return self._t.move(
            job,
            State.RUNNING,
            fence=job.fence + 1,
            attempts=job.attempts + 1,
            owner=owner,
            leased_until=now + self._t.rules.lease_ms,
            started=now if job.started is None else job.started,
        )

    def renew(self, job: JobId, fence: int) -> Job:
        with self._t.lock:
            new = replace(self._t.held(job, fence), leased_until=self._t.clock() + self._t.rules.lease_ms)
            self._t.jobs[job] = new
            return new

    def plan(self, job: JobId, fence: int, *, chunks: int, estimated_ms: int) -> Job:
        with self._t.lock:
            return self._t.change(self._t.held(job, fence), chunks=chunks, estimated_ms=estimated_ms)

    def checkpoint(self, job: JobId, chunk: int, fence: int, codes: bytes) -> Job:
        with self._t.lock:
            found = self._t.held(job, fence)
            if found.chunks_done < chunk:
                raise out_of_order(found, chunk)
            if found.chunks_done > chunk:
                return found
            self._t.checkpoints.setdefault(job, []).append(codes)
            leased_until = self._t.clock() + self._t.rules.lease_ms
            return self._t.change(found, chunks_done=chunk + 1, leased_until=leased_until)

    def resume(self, job: JobId, fence: int) -> Sequence[bytes]:
        with self._t.lock:
            self.renew(job, fence)
            return tuple(self._t.checkpoints.get(job, ()))

    def note(self, artefact: Artefact, fence: int) -> None:
        if artefact.job is None:
            raise no_job()
        with self._t.lock:
            found = self._t.held(artefact.job, fence)
            known = self._t.artefacts.get(artefact.key)
            if found.tenant != artefact.tenant or (known and (known.deleted or known.artefact.job != found.id)):
                raise stale(artefact.job, fence)
            expires = known.artefact.expires if known else self._t.clock() + self._t.rules.orphan_ms
            self._t.artefacts[artefact.key] = Stored(replace(artefact, expires=expires))

    def complete(
        self, job: JobId, fence: int, *, result: str, usage: str, keep_ms: int, keys: Sequence[str] = ()
    ) -> Job:
        with self._t.lock:
            found = self._t.fenced(job, fence)
            if found.state is not State.RUNNING or found.cancel_requested:
                return self._ended(found, State.SUCCEEDED, wanted_dead)
            kept = [self._t.artefacts.get(key) for key in keys]
            expires = self._t.clock() + keep_ms
            for stored in kept:
                if stored is None or stored.deleted or stored.artefact.job != job:
                    raise never_noted(job)
            for stored in kept:
                assert stored is not None
                stored.artefact = replace(stored.artefact, expires=expires)
            self._t.usage[job] = Usage(job=job, tenant=found.tenant, at=self._t.clock(), line=usage)
            return self._t.move(found, State.SUCCEEDED, result=result, chunks_done=found.chunks, expires=expires)

    def fail(self, job: JobId, fence: int, *, error: str, text: str) -> Job:
        with self._t.lock:
            found = self._t.fenced(job, fence)
            if found.state is not State.RUNNING:
                return self._ended(found, State.FAILED, wanted_alive)
            ended = self._t.move(found, State.FAILED, error=error, error_text=text)
            del self._t.unlogged[job]  # who ends a job has told the log
            return ended

    def stop(self, job: JobId, fence: int) -> Job:
        with self._t.lock:
            found = self._t.fenced(job, fence)
            if found.state is not State.RUNNING or not found.cancel_requested:
                return self._ended(found, State.CANCELLED, wanted_alive)
            ended = self._t.move(found, State.CANCELLED)
            del self._t.unlogged[job]
            return ended

    def hand_back(self, job: JobId, fence: int) -> Job:
        with self._t.lock:
            found = self._t.fenced(job, fence)
            if found.state is not State.RUNNING:
                return self._ended(found, State.QUEUED, wanted_alive)
            state = State.CANCELLED if found.cancel_requested else State.QUEUED
            return self._t.move(found, state, attempts=found.attempts - 1)

    def cancelled(self, owner: str) -> Sequence[JobId]:
        with self._t.lock:
            jobs = self._t.jobs.values()
            return tuple(j.id for j in jobs if j.owner == owner and j.cancel_requested)

    def wait_for_work(self, timeout_s: float) -> bool:
        return bool(self._wait(WORK, self._waiting, timeout_s))

    def wait_for_cancel(self, owner: str, timeout_s: float) -> Sequence[JobId]:
        return self._wait(CANCEL, lambda: self.cancelled(owner), timeout_s)

    def _wait(self, topic: str, look: Callable[[], Sequence[T]], timeout_s: float) -> Sequence[T]:
        end = time.monotonic() + timeout_s
        with self._t.bell.ear(topic) as ear:
            while True:
                found = look()
                left_s = end - time.monotonic()
                if found or left_s <= 0:
                    return found
                ear.wait(min(left_s, self._t.rules.poll_ms / 1000))

    def _waiting(self) -> Sequence[Job]:
        with self._t.lock:
            now = self._t.clock()
            jobs = self._t.jobs.values()
            return [j for j in jobs if j.state is State.QUEUED and (j.deadline is None or j.deadline > now)]

    def _ended(self, found: Job, state: State, refusal: Callable[[JobId], CellError]) -> Job:
        """The job, when this very move was made before and only its answer was lost."""
        if found.state is State.RUNNING:
            raise refusal(found.id)
        if found.state is not state and not (state is State.QUEUED and found.state is State.CANCELLED):
            raise stale(found.id, found.fence)
        return found
