"""What the house does of itself, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.jobs.bell import Bell
from serving.jobs.job import Job, JobId, State, TenantId
from serving.jobs.records import Artefact, Backlog, Event, Parcel, Usage
from serving.jobs.refusals import ATTEMPTS_TEXT, DEADLINE_TEXT, unknown
from serving.jobs.rules import Rules
from serving.jobs.sql.counter import NEVER
from serving.jobs.sql.database import Database, Run, one
from serving.jobs.sql.rows import artefact_of, backlog_of, event_of, job_of, jobs_of, parcel_of, usage_of


class SqlKeep:
    """The house's half of a store; `serving.jobs.store.Keep` tells what each call promises."""

    rules: Rules
    _db: Database

    @property
    def bell(self) -> Bell:
        return self._db.listen()

    def now(self) -> int:
        return int(self._db.read("now")[0]["now"])

    def look(self, job: JobId) -> Job:
        row = one(self._db.read("look", id=job))
        if row is None:
            raise unknown(job)
        return job_of(row)

    def board(self, states: Sequence[State] = (), limit: int = 100) -> Sequence[Job]:
        return jobs_of(self._db.read("board", states=tuple(states or State), limit=limit))

    def moves(self, job: JobId) -> Sequence[Event]:
        return tuple(event_of(row) for row in self._db.read("moves", id=job))

    def backlog(self) -> Backlog:
        return backlog_of(self._db.read("backlog")[0])

    def backlogs(self) -> Mapping[TenantId, Backlog]:
        return {TenantId(row["tenant"]): backlog_of(row) for row in self._db.read("backlogs")}

    def earliest(self) -> int | None:
        created: int | None = self._db.read("earliest")[0]["created"]
        return created

    def reap(self) -> Sequence[Job]:
        texts = {"attempts_text": ATTEMPTS_TEXT, "deadline_text": DEADLINE_TEXT}

        def work(run: Run) -> tuple[Job, ...]:
            run("shorten_leases", lease_ms=self.rules.lease_ms)
            freed = run("reap_leases", most_attempts=self.rules.most_attempts, **texts)
            late = run("reap_late", deadline_text=DEADLINE_TEXT)
            return (*jobs_of(freed), *jobs_of(late))

        return self._db.write(work)

    def unlogged(self, most: int) -> Sequence[tuple[TenantId, JobId]]:
        return tuple((TenantId(row["tenant"]), JobId(row["job"])) for row in self._db.read("unlogged", most=most))

    def logged(self, jobs: Sequence[JobId]) -> None:
        if jobs:
            self._db.write(lambda run: run("logged", ids=tuple(jobs)))

    def expire(self) -> Sequence[Job]:
        def work(run: Run) -> tuple[Job, ...]:
            run("forget_keys", keep_key_ms=self.rules.keep_key_ms)
            over = jobs_of(run("expire", keep_failed_ms=self.rules.keep_failed_ms))
            for job in over:
                run("forget_address", id=job.id)
            return over

        return self._db.write(work)

    def keep(self, artefact: Artefact) -> None:
        values = {"key": artefact.key, "tenant": artefact.tenant, "job": artefact.job, "sha256": artefact.sha256}
        self._db.write(lambda run: run("keep", **values, key_id=artefact.key_id, expires=artefact.expires))

    def due_artefacts(self, most: int = 100) -> Sequence[Artefact]:
        return tuple(artefact_of(row) for row in self._db.read("due_artefacts", most=most))

    def gone(self, key: str) -> None:
        self._db.write(lambda run: run("gone", key=key))

    def usage(self, since: int = 0, until: int | None = None) -> Sequence[Usage]:
        rows = self._db.read("usage", since=since, until=until if until is not None else NEVER)
        return tuple(usage_of(row) for row in rows)

    def due_parcels(self, most: int = 20) -> Sequence[Parcel]:
        values = {"webhook_tries": self.rules.webhook_tries, "webhook_base_ms": self.rules.webhook_base_ms}
        rows = self._db.write(lambda run: run("due_parcels", most=most, **values))
        return sorted((parcel_of(row) for row in rows), key=lambda parcel: (parcel.at, parcel.event))

    def delivered(self, event: str) -> None:
        self._db.write(lambda run: run("delivered", event=event))

    def close(self) -> None:
        self._db.close()
