"""From a Standing to OpenAI's objects.

`seconds` is text and `progress` a whole number: the clients' types say so, and warn about anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from serving.desk import Page, Standing, Upload
from serving.dialects.openai_videos.errors import job_error
from serving.dialects.results import outlook, result_of
from serving.jobs.job import JobId, State
from serving.wish import Audio, Role, Wish

__all__ = ["deleted", "file", "model", "models", "page", "poll_after", "video", "video_id"]

_STATUS: Final = {
    State.QUEUED: "queued",
    State.RUNNING: "in_progress",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",  # the clients' types know no cancelled film
    State.EXPIRED: "completed",
}
_ENDED: Final = frozenset({State.SUCCEEDED, State.EXPIRED})
SOONEST, LATEST = 250, 5_000  # milliseconds between two looks
PART_OF_THE_WAIT: Final = 20


def video_id(job: JobId) -> str:
    """A job's id as this dialect spells it."""
    return f"video_{job}"


def video(standing: Standing) -> dict[str, Any]:
    """The Video object. Fields beyond the vendor's are safe: the clients keep them as extras."""
    job, wish = standing.job, standing.wish
    size, seconds = result_of(standing)
    body: dict[str, Any] = {
        "id": video_id(job.id),
        "object": "video",
        "created_at": job.created // 1000,
        "completed_at": job.finished // 1000 if job.finished is not None and job.state in _ENDED else None,
        "expires_at": job.expires // 1000 if job.expires is not None and job.state in _ENDED else None,
        "model": wish.model,
        "status": _STATUS[job.state],
        "progress": _progress(standing),
        "prompt": wish.prompt,
        "seconds": _number(seconds),
        "size": "" if size is None else str(size),
        "remixed_from_video_id": _source(wish),
        "error": _error(standing),
        "has_audio": wish.audio is not Audio.NONE,
        "seed": wish.seed,
        "metadata": dict(wish.metadata),
        **outlook(standing),
    }
    if wish.ignored:
        body["warnings"] = [f"{name} means nothing here and was ignored." for name in wish.ignored]
    return body


def _progress(standing: Standing) -> int:
    job = standing.job
    if job.state in _ENDED:
        return 100
    return max(1, job.progress) if job.state is State.RUNNING else job.progress


def _number(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}".rstrip("0").rstrip(".")


def _source(wish: Wish) -> str | None:
    job = next((each.job for each in wish.given if each.role is Role.SOURCE and each.job), None)
    return None if job is None else video_id(JobId(job))


def _error(standing: Standing) -> dict[str, str] | None:
    job = standing.job
    if job.state is State.CANCELLED:
        return job_error("canceled", "The film was cancelled by its owner.")
    return job_error(job.error, job.error_text) if job.state is State.FAILED else None


def page(found: Page) -> dict[str, Any]:
    """A list page. The clients' pager takes `last_id` as its next `after`, and stops without it."""
    rows = [video(each) for each in found.jobs]
    ids = [row["id"] for row in rows]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    return {"object": "list", "data": rows, "first_id": first, "last_id": last, "has_more": found.more}


def deleted(job: JobId) -> dict[str, Any]:
    """What a deletion answers."""
    return {"id": video_id(job), "object": "video.deleted", "deleted": True}


def poll_after(standing: Standing) -> str | None:
    """Milliseconds until the next look, in digits; None when there is nothing to wait for.

    A client keeps the first value for its whole wait, so it is a twentieth of the wait rather than all of it.
    """
    if standing.job.state not in (State.QUEUED, State.RUNNING):
        return None
    wait = 1_000 if standing.eta_ms is None else standing.eta_ms // PART_OF_THE_WAIT
    return str(min(LATEST, max(SOONEST, wait)))


def model(name: str) -> dict[str, Any]:
    """A model as lists show it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "equerry"}


def models(names: Sequence[str]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(name) for name in names]}


def file(upload: Upload, purpose: str) -> dict[str, Any]:
    """A file that was left here."""
    return {
        "id": upload.id,
        "object": "file",
        "bytes": upload.bytes,
        "created_at": upload.created // 1000,
        "filename": upload.name,
        "purpose": purpose,
        "status": "processed",
    }
