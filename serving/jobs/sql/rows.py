"""From a database's rows to our own values."""

from __future__ import annotations

from collections.abc import Iterable

from serving.jobs.job import Job, State, TenantId
from serving.jobs.records import Artefact, Backlog, Event, Parcel, Usage
from serving.jobs.sql.database import Row


def job_of(row: Row) -> Job:
    """A row with the part `columns`."""
    values = {**row, "state": State(row["state"]), "cancel_requested": bool(row["cancel_requested"])}
    return Job(**values)


def jobs_of(rows: Iterable[Row]) -> tuple[Job, ...]:
    """Rows with the part `columns`."""
    return tuple(job_of(row) for row in rows)


def backlog_of(row: Row) -> Backlog:
    """A row of `backlog` or `backlogs`."""
    return Backlog(queued=row["queued"], running=row["running"], work_ms=int(row["work_ms"]), oldest=row["oldest"])


def event_of(row: Row) -> Event:
    """A row of `history`."""
    return Event(**{**row, "state": State(row["state"])})


def usage_of(row: Row) -> Usage:
    """A row of `usage`."""
    return Usage(**row)


def artefact_of(row: Row) -> Artefact:
    """A row of `artefact` or `due_artefacts`."""
    return Artefact(
        key=row["key"],
        tenant=TenantId(row["tenant"]),
        job=row["job"],
        sha256=row["sha256"],
        key_id=row["key_id"],
        expires=row["expires"],
    )


def parcel_of(row: Row) -> Parcel:
    """A row of `due_parcels`."""
    return Parcel(**{**row, "state": State(row["state"])})
