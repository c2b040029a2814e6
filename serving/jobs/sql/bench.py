"""What a studio does with a job, in SQL. Every write names the fence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from serving.errors import CellError
from serving.jobs.bell import CANCEL, WORK
from serving.jobs.job import Job, JobId, State, claim_order
from serving.jobs.records import Artefact
from serving.jobs.refusals import never_noted, no_job, out_of_order, stale, wanted_alive, wanted_dead
from serving.jobs.rules import Rules
from serving.jobs.sql.database import Database, Run, one
from serving.jobs.sql.rows import job_of, jobs_of

T = TypeVar("T")


class SqlBench:
    """The studio's half of a store; `serving.jobs.store.Bench` tells what each call promises."""

    rules: Rules
    _db: Database

    def claim(self, owner: str, most: int = 1) -> Sequence[Job]:
        values = {"owner": owner, "most": most, "lease_ms": self.rules.lease_ms}
        return sorted(jobs_of(self._db.write(lambda run: run("claim", **values))), key=claim_order)

    def renew(self, job: JobId, fence: int) -> Job:
        return self._held(job, fence, "renew", lease_ms=self.rules.lease_ms)

    def plan(self, job: JobId, fence: int, *, chunks: int, estimated_ms: int) -> Job:
        return self._held(job, fence, "plan", chunks=chunks, estimated_ms=estimated_ms)

    def checkpoint(self, job: JobId, chunk: int, fence: int, codes: bytes) -> Job:
        def work(run: Run) -> Job:
            rows = run("reach", id=job, fence=fence, done=chunk + 1, lease_ms=self.rules.lease_ms)
            if not rows:
                return self._reached(run, job, chunk, fence)
            run("checkpoint", id=job, chunk=chunk, fence=fence, codes=codes)
            return job_of(rows[0])

        return self._db.write(work)

    def _reached(self, run: Run, job: JobId, chunk: int, fence: int) -> Job:
        """The job, when the chunk was kept before; who leaves a gap is told."""
        found = self._mine(run, job, fence)
        if found.state is not State.RUNNING:
            raise stale(job, fence)
        if found.chunks_done <= chunk:
            raise out_of_order(found, chunk)
        return found

    def resume(self, job: JobId, fence: int) -> Sequence[bytes]:
        self.renew(job, fence)
        return tuple(bytes(row["codes"]) for row in self._db.read("resume", id=job))

    def note(self, artefact: Artefact, fence: int) -> None:
        if artefact.job is None:
            raise no_job()
        values = {"key": artefact.key, "sha256": artefact.sha256, "key_id": artefact.key_id, "tenant": artefact.tenant}
        times = {"orphan_ms": self.rules.orphan_ms, "id": artefact.job, "fence": fence}
        if not self._db.write(lambda run: run("note", **values, **times)):
            raise stale(artefact.job, fence)

    def complete(
        self, job: JobId, fence: int, *, result: str, usage: str, keep_ms: int, keys: Sequence[str] = ()
    ) -> Job:
        def work(run: Run) -> Job:
            row = one(run("complete", id=job, fence=fence, result=result, keep_ms=keep_ms))
            if row is None:
                return self._ended(run, job, fence, State.SUCCEEDED, wanted_dead)
            run("bill", id=job, tenant=row["tenant"], usage=usage)
            for key in keys:
                if not run("keep_artefact", key=key, id=job, expires=row["expires"]):
                    raise never_noted(job)
            return job_of(row)

        return self._db.write(work)

    def fail(self, job: JobId, fence: int, *, error: str, text: str) -> Job:
        return self._end(job, fence, State.FAILED, "fail", error=error, text=text)

    def stop(self, job: JobId, fence: int) -> Job:
        return self._end(job, fence, State.CANCELLED, "stop")

    def hand_back(self, job: JobId, fence: int) -> Job:
        return self._end(job, fence, State.QUEUED, "hand_back")

    def cancelled(self, owner: str) -> Sequence[JobId]:
        return tuple(JobId(row["id"]) for row in self._db.read("cancelled", owner=owner))

    def wait_for_work(self, timeout_s: float) -> bool:
        return bool(self._wait(WORK, lambda: self._db.read("any_work"), timeout_s))

    def wait_for_cancel(self, owner: str, timeout_s: float) -> Sequence[JobId]:
        return self._wait(CANCEL, lambda: self.cancelled(owner), timeout_s)

    def _wait(self, topic: str, look: Callable[[], Sequence[T]], timeout_s: float) -> Sequence[T]:
        end = time.monotonic() + timeout_s
        with self._db.listen().ear(topic) as ear:
            while True:
                found = look()
                left_s = end - time.monotonic()
                if found or left_s <= 0:
                    return found
                ear.wait(min(left_s, self.rules.poll_ms / 1000))

    def _held(self, job: JobId, fence: int, name: str, **values: object) -> Job:
        row = one(self._db.write(lambda run: run(name, id=job, fence=fence, **values)))
        if row is None:
            raise stale(job, fence)
        return job_of(row)

    def _end(self, job: JobId, fence: int, state: State, name: str, **values: object) -> Job:
        def work(run: Run) -> Job:
            row = one(run(name, id=job, fence=fence, **values))
            if row is None:
                return self._ended(run, job, fence, state, wanted_alive)
            if state is not State.QUEUED:  # who ends a job has told the log
                run("logged", ids=(job,))
            return job_of(row)

        return self._db.write(work)

    def _ended(self, run: Run, job: JobId, fence: int, state: State, refusal: Callable[[JobId], CellError]) -> Job:
        """The job, when this very move was made before and only its answer was lost."""
        found = self._mine(run, job, fence)
        if found.state is State.RUNNING:
            raise refusal(job)
        if found.state is not state and not (state is State.QUEUED and found.state is State.CANCELLED):
            raise stale(job, fence)
        return found

    def _mine(self, run: Run, job: JobId, fence: int) -> Job:
        row = one(run("look", id=job))
        if row is None or row["fence"] != fence:
            raise stale(job, fence)
        return job_of(row)
