"""From a Standing to the native API's objects."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from serving.desk import Page, Standing, Upload
from serving.dialects.native.shapes import Failure, Film, JobShown, Links, PageShown, UploadShown, moment
from serving.dialects.origin import Origin
from serving.dialects.results import facts, result_of
from serving.jobs.job import State

__all__ = ["event", "job", "page", "upload"]


def job(standing: Standing, origin: Origin) -> JobShown:
    """The job object."""
    it, wish = standing.job, standing.wish
    size, seconds = result_of(standing)
    return JobShown(
        id=it.id,
        state=it.state.value,
        progress=it.progress,
        place=standing.place,
        eta_ms=standing.eta_ms,
        model=wish.model,
        mode=wish.mode.value,
        prompt=wish.prompt,
        size=None if size is None else str(size),
        seconds=seconds,
        seed=wish.seed,
        audio=wish.audio.value,
        created=moment(it.created),
        started=None if it.started is None else moment(it.started),
        finished=None if it.finished is None else moment(it.finished),
        film=_film(standing),
        error=_failure(standing),
        metadata=dict(wish.metadata),
        links=_links(it.id, origin),
    )


def _film(standing: Standing) -> Film | None:
    size, seconds = result_of(standing)
    if standing.job.state is not State.SUCCEEDED or size is None or seconds is None:
        return None
    told, expires = facts(standing), standing.job.expires
    length, digest = told.get("bytes"), told.get("sha256")
    return Film(
        url=standing.url,
        width=size.width,
        height=size.height,
        seconds=seconds,
        bytes=length if isinstance(length, int) else None,
        sha256=digest if isinstance(digest, str) else None,
        expires=None if expires is None else moment(expires),
    )


def _failure(standing: Standing) -> Failure | None:
    if standing.job.state is not State.FAILED:
        return None
    text = standing.job.error_text or "The film could not be made. Ask for it again."
    return Failure(code=standing.job.error or "generation_failed", message=text)


def _links(identity: str, origin: Origin) -> Links:
    here = origin.url(f"/v1/jobs/{identity}")
    return Links(self=here, events=f"{here}/events", preview=f"{here}/preview", content=f"{here}/content")


def page(found: Page, origin: Origin, *, limit: int, newest_first: bool, states: Sequence[str]) -> PageShown:
    """Some jobs, and the address of the next ones."""
    following = None
    if found.more and found.jobs:
        order = "desc" if newest_first else "asc"
        query = [("after", found.jobs[-1].job.id), ("limit", limit), ("order", order), *(("state", s) for s in states)]
        following = origin.url(f"/v1/jobs?{urlencode(query)}")
    return PageShown(jobs=[job(each, origin) for each in found.jobs], next=following, total=found.total)


def event(standing: Standing, origin: Origin) -> bytes:
    """One server-sent event: the job, named by its state."""
    shown = job(standing, origin)
    return f"event: {shown.state}\ndata: {shown.model_dump_json()}\n\n".encode()


def upload(left: Upload) -> UploadShown:
    """A file that was left here."""
    return UploadShown(id=left.id, name=left.name, bytes=left.bytes, created=moment(left.created))
