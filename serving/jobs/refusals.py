"""The refusals of a job store, in the same words whichever store says them."""

from __future__ import annotations

from typing import Final

from serving.errors import BadField, Broken, Conflict, NotPossible, StaleFence, UnknownJob
from serving.jobs.job import Job, JobId


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
    return Broken(
        f"Chunk {chunk} of job {job.id} was checkpointed, but {job.chunks_done} comes next. Keep them in order."
    )


def wanted_dead(job: JobId) -> NotPossible:
    """For a worker that finishes what nobody wants."""
    return NotPossible(f"The owner of job {job} has cancelled it. Call `stop`, and drop the film.")


def wanted_alive(job: JobId) -> NotPossible:
    """For a worker that stops on its own account."""
    return NotPossible(f"Nobody has cancelled job {job}. Call `hand_back` or `fail` instead.")


def unknown_anchor(after: JobId) -> BadField:
    """For a list that begins nowhere."""
    return BadField("after", f"There is no job {after} to list from. Begin without `after`.")


def key_taken() -> Conflict:
    """For an idempotency key that stands for something else."""
    return Conflict("This idempotency key was used for another request. Use a new key, or send the same request again.")


def never_noted(job: JobId) -> Broken:
    """For a worker that uploads first and writes down later."""
    return Broken(f"Job {job} ends with an artefact that was never noted. Call `note` before the upload.")


def no_job() -> Broken:
    """For an upload that is noted like a film."""
    return Broken("An artefact of no job is an upload. Call `keep` for it.")


ATTEMPTS_TEXT: Final = "The studio stopped too often while it made this film. Try again, or ask for a shorter one."
DEADLINE_TEXT: Final = "The film could not be begun in time. Try again later, or without a deadline."
