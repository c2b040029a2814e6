"""What the store's answers tell of jobs: how many, how long, how they end, and who was told.

The store's own clock is the measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from serving.jobs.job import Job, State
from serving.media.store import Stored
from serving.telemetry.allowed import ATTRIBUTES
from serving.telemetry.eyes import Eyes
from serving.telemetry.watched import Heard

__all__ = ["heard_of_jobs", "heard_of_objects"]

_ENDS: Final = frozenset({"complete", "fail", "stop", "cancel", "delete", "reap"})  # calls that may end a job
_REASONS: Final = ATTRIBUTES["reason"].values


def heard_of_jobs(eyes: Eyes) -> Heard:
    """Listens to a store."""

    def heard(call: str, result: object) -> None:
        jobs = [each for each in _each(result) if isinstance(each, Job)]
        if call == "claim":
            for job in jobs:
                _claimed(eyes, job)
        elif call in _ENDS:
            for job in jobs:
                _moved(eyes, call, job)
        elif call == "hand_back":
            eyes.count("equerry.jobs.handed_back", cause="drain")
        elif call == "delivered":
            eyes.count("equerry.webhooks.delivered")
        elif call == "due_parcels" and isinstance(result, list | tuple) and result:
            eyes.count("equerry.webhooks.tried", len(result))

    return heard


def _each(result: object) -> Iterable[object]:
    return result if isinstance(result, list | tuple) else (result,)


def _claimed(eyes: Eyes, job: Job) -> None:
    eyes.count("equerry.jobs.claimed", again="yes" if job.fence > 1 else "no")
    if job.fence == 1 and job.started is not None:
        eyes.measure("equerry.job.wait", max(0, job.started - job.created) / 1000)


def _moved(eyes: Eyes, call: str, job: Job) -> None:
    """A job that has ended, or that a reaper has put back into the queue."""
    if job.state is State.QUEUED:
        eyes.count("equerry.jobs.handed_back", cause="lease")
    elif job.terminal and job.finished is not None and (call != "delete" or job.state is State.CANCELLED):
        reason = job.error or "none"
        known = reason if _REASONS.fits(reason) else "other"
        eyes.count("equerry.jobs.ended", tenant=job.tenant, state=job.state.value, reason=known)
        eyes.measure("equerry.job.duration", max(0, job.finished - job.created) / 1000, state=job.state.value)


def heard_of_objects(eyes: Eyes) -> Heard:
    """Listens to an object store."""

    def heard(call: str, result: object) -> None:
        if call == "get" and isinstance(result, bytes):
            eyes.count("equerry.objects.moved", len(result), call=call)
        elif call in ("put", "put_stream") and isinstance(result, Stored):
            eyes.count("equerry.objects.moved", result.bytes, call=call)

    return heard
