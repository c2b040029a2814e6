"""What clients may ask of a store, in SQL. Every query names the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import count
from typing import Final

from serving.errors import Broken, CellError, Unavailable, UnknownJob
from serving.jobs.job import Draft, Job, JobId, State, TenantId
from serving.jobs.records import Ahead, Artefact, Event, Listing, Receipt
from serving.jobs.refusals import finished, key_taken, started, unknown, unknown_anchor
from serving.jobs.rules import Rules
from serving.jobs.sql.database import Database, Row, Run, one
from serving.jobs.sql.rows import artefact_of, event_of, job_of, jobs_of
from serving.meter.month import month_of
from serving.meter.quotas import Tally, hold

NEVER: Final = 2**62  # ms: later than anything
_FIELDS: Final = tuple(field.name for field in fields(Draft))
SHOWN: Final = tuple(s for s in State if s is not State.EXPIRED)  # in a list, unless asked otherwise


class SqlCounter:
    """The client's half of a store; `serving.jobs.store.Counter` tells what each call promises."""

    rules: Rules
    _db: Database

    def submit(self, draft: Draft) -> Receipt:
        (told,) = self.submit_all([draft])
        if isinstance(told, CellError):
            raise told
        return told

    def submit_all(self, drafts: Sequence[Draft]) -> Sequence[Receipt | CellError]:
        order = sorted(range(len(drafts)), key=lambda n: (drafts[n].tenant, drafts[n].fingerprint))  # of their locks

        def work(run: Run) -> Mapping[int, Receipt | CellError]:
            return {n: self._tried(run, drafts[n]) for n in order}

        try:
            told = self._db.write(work)
        except (Broken, ValueError) as error:  # one is what the tables, or their driver, do not take; others go on
            return [_own(error)] if len(drafts) == 1 else [self.submit_all([draft])[0] for draft in drafts]
        except Unavailable as error:
            return [error] * len(drafts)
        return [told[n] for n in range(len(drafts))]

    def _tried(self, run: Run, draft: Draft) -> Receipt | CellError:
        """Nothing was written when it is an error."""
        try:
            job = job_of(self._submit(run, draft))
        except CellError as refusal:
            return refusal
        return Receipt(job=job, fresh=job.id == draft.id) if job.fingerprint == draft.fingerprint else key_taken()

    def _submit(self, run: Run, draft: Draft) -> Row:
        if (
            draft.quotas and self._db.dialect == "postgresql"
        ):  # first of all locks: nobody else counts this tenant's jobs
            run("tenant_at_a_time", tenant=draft.tenant)
        if draft.retry_window_ms and (row := self._earlier(run, draft)):
            return row
        values = {name: getattr(draft, name) for name in _FIELDS}
        if draft.quotas and (row := self._within(run, draft, values)):
            return row
        rows = run("submit", **values) or run("submitted", **values)
        return rows[0]

    def _earlier(self, run: Run, draft: Draft) -> Row | None:
        """An equal job that is there or just being made."""
        if self._db.dialect == "postgresql":  # SQLite has one writer at a time anyway
            run("one_at_a_time", tenant=draft.tenant, fingerprint=draft.fingerprint)
        return one(run("recent", **_recent(draft)))

    def _within(self, run: Run, draft: Draft, values: Mapping[str, object]) -> Row | None:
        """The job, when it is there already; raises Limited when one more would break a quota."""
        if (row := one(run("submitted", **values))) is not None:
            return row
        since = month_of(run("now")[0]["now"]).since
        for quota in draft.quotas:
            place = NEVER if quota.per_minute is None else quota.per_minute - 1
            row = run("tally", tenant=draft.tenant, key=quota.key, place=place, since=since)[0]
            hold(quota, Tally(**{**row, "spent": int(row["spent"])}), draft.reserve)
        return None

    def known(self, draft: Draft) -> Job | None:
        row = one(self._db.read("recent", **_recent(draft))) if draft.retry_window_ms else None
        row = row or one(self._db.read("submitted", **{name: getattr(draft, name) for name in _FIELDS}))
        return None if row is None else job_of(row)

    def get(self, tenant: TenantId, job: JobId) -> Job:
        row = one(self._db.read("get", tenant=tenant, id=job))
        if row is None:
            raise unknown(job)
        return job_of(row)

    def get_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Sequence[Job | UnknownJob]:
        rows = self._db.read("get_all", **_named(wanted)) if wanted else ()
        found = {(row["tenant"], row["id"]): job_of(row) for row in rows}
        return [found.get(each) or unknown(each[1]) for each in wanted]

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
        which = {
            "tenant": tenant,
            "states": tuple(states or SHOWN),
            "since": since if since is not None else 0,
            "until": until if until is not None else NEVER,
            "model": model,
        }
        start = self._anchor(tenant, after) if after is not None else NEVER if newest_first else -1
        page = {"after_created": start, "after": after or "", "limit": limit + 1, "offset": offset}
        rows = self._db.read("list_newest" if newest_first else "list_oldest", **which, **page)
        total = self._db.read("count", **which)[0]["total"]
        return Listing(jobs=jobs_of(rows[:limit]), more=len(rows) > limit, total=total)

    def _anchor(self, tenant: TenantId, after: JobId) -> int:
        row = one(self._db.read("anchor", tenant=tenant, id=after))
        if row is None:
            raise unknown_anchor(after)
        return int(row["created"])

    def ahead(self, tenant: TenantId, job: JobId) -> Ahead | None:
        row = one(self._db.read("ahead", tenant=tenant, id=job))
        if row is None:
            self.get(tenant, job)
            return None
        return Ahead(jobs=row["jobs"], work_ms=int(row["work_ms"]))

    def ahead_all(self, wanted: Sequence[tuple[TenantId, JobId]]) -> Mapping[JobId, Ahead]:
        rows = self._db.read("ahead_all", **_named(wanted)) if wanted else ()
        asked = set(wanted)
        found = [row for row in rows if (row["tenant"], row["id"]) in asked]
        return {JobId(row["id"]): Ahead(jobs=row["jobs"], work_ms=int(row["work_ms"])) for row in found}

    def cancel(self, tenant: TenantId, job: JobId, *, only_queued: bool = False) -> Job:
        who = {"tenant": tenant, "id": job}
        tries = count()

        def work(run: Run) -> tuple[Row | None, bool]:
            again = next(tries) > 0  # an earlier try may have ended it, and lost the answer
            rows = run("cancel_queued", **who) or (() if only_queued else run("cancel_running", **who))
            return one(rows or run("get", **who)), bool(rows) or again

        row, ours = self._db.write(work)
        if row is None:
            raise unknown(job)
        found = job_of(row)
        if found.state is State.RUNNING and only_queued:
            raise started(found)
        if only_queued and not ours:
            raise finished(found)
        if not found.cancel_requested or found.state in (State.SUCCEEDED, State.FAILED, State.EXPIRED):
            raise finished(found)
        return found

    def delete(self, tenant: TenantId, job: JobId) -> Job:
        who = {"tenant": tenant, "id": job}
        tries = count()

        def work(run: Run) -> Row | None:
            again = next(tries) > 0
            row = one(run("delete", **who))
            if row is not None:
                run("delete_artefacts", id=job)
                run("forget_address", id=job)
            elif again:  # an earlier try has done it, and its answer was lost
                row = one(run("deleted", **who))
            return row

        row = self._db.write(work)
        if row is None:
            raise unknown(job)
        return job_of(row)

    def history(self, tenant: TenantId, job: JobId) -> Sequence[Event]:
        rows = self._db.read("history", tenant=tenant, id=job)
        if not rows:
            raise unknown(job)
        return tuple(event_of(row) for row in rows)

    def artefact(self, tenant: TenantId, key: str) -> Artefact | None:
        row = one(self._db.read("artefact", tenant=tenant, key=key))
        return None if row is None else artefact_of(row)


def _recent(draft: Draft) -> Mapping[str, object]:
    """The parameters of a query for the first job that a retry may have made."""
    return {"tenant": draft.tenant, "fingerprint": draft.fingerprint, "window_ms": draft.retry_window_ms}


def _own(error: Broken | ValueError) -> Broken:
    """An error of ours. A driver's own text would hold what it could not write."""
    return error if isinstance(error, Broken) else Broken("A job cannot be kept as it is. Report it.")


def _named(wanted: Sequence[tuple[TenantId, JobId]]) -> Mapping[str, object]:
    """The parameters of a query for many jobs. It can find one that another of these tenants has asked for, so what it
    finds is held to the pairs."""
    return {"ids": tuple({job for _, job in wanted}), "tenants": tuple({tenant for tenant, _ in wanted})}
