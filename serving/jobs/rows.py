"""From a database's rows to our own values, and the refusals that an absent row means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serving.errors import Broken, NotPossible, StaleFence, UnknownJob
from serving.jobs.job import Job, JobId, State, TenantId
from serving.jobs.records import Artefact, Event, Parcel, Usage

Row = Mapping[str, Any]


def job_of(row: Row) -> Job:
    """A row with the part `columns`."""
    values = {**row, "state": State(row["state"]), "cancel_requested": bool(row["cancel_requested"])}
    return Job(**values)


def jobs_of(rows: Iterable[Row]) -> tuple[Job, ...]:
    """Rows with the part `columns`."""
    return tuple(job_of(row) for row in rows)


def event_of(row: Row) -> Event:
    """A row of `history`."""
    return Event(**{**row, "state": State(row["state"])})


def usage_of(row: Row) -> Usage:
    """A row of `usage`."""
    return Usage(**row)


def artefact_of(row: Row) -> Artefact:
    """A row of `artefact` or `due_artefacts`."""
    return Artefact(key=row["key"], tenant=TenantId(row["tenant"]), job=row["job"], sha256=row["sha256"],
                    key_id=row["key_id"], expires=row["expires"])


def parcel_of(row: Row) -> Parcel:
    """A row of `due_parcels`."""
    return Parcel(**{**row, "state": State(row["state"])})


def unknown(job: JobId) -> UnknownJob:
    """The same words whether a job never was, is another tenant's, or was deleted."""
    return UnknownJob(f"There is no job {job} here. Check the id and the key, or list your jobs.")


def stale(job: JobId, fence: int) -> StaleFence:
    """For a worker that is late."""
    return StaleFence(
        f"Job {job} is not this worker's any more (fence {fence}). Stop its engine and drop what it made; claim again."
    )


def finished(job: Job) -> NotPossible:
    """For a cancel that comes too late."""
    return NotPossible(f"Job {job.id} is {job.state} and cannot be cancelled. Delete it if the film should go.")


def started(job: Job) -> NotPossible:
    """For a cancel that is only meant for waiting jobs."""
    return NotPossible(f"Job {job.id} is {job.state}; only a waiting job can be cancelled here.")


def out_of_order(job: Job, chunk: int) -> Broken:
    """For a worker that leaves a gap."""
    return Broken(f"Chunk {chunk} of job {job.id} was checkpointed, but {job.chunks_done} comes next. Keep them in order.")


def wanted_dead(job: JobId) -> NotPossible:
    """For a worker that finishes what nobody wants."""
    return NotPossible(f"The owner of job {job} has cancelled it. Call `stop`, and drop the film.")


def wanted_alive(job: JobId) -> NotPossible:
    """For a worker that stops on its own account."""
    return NotPossible(f"Nobody has cancelled job {job}. Call `hand_back` or `fail` instead.")
