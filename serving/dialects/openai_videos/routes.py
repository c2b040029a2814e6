"""The doors of OpenAI's Videos API, under `/v1`. Each one reads, asks the desk, and renders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.desk import Desk, Standing
from serving.dialects import fields as f
from serving.dialects.caller import caller_of
from serving.dialects.doorway import Door, Opens
from serving.dialects.forms import Bounds, aside, files_of, form_of
from serving.dialects.media import hexadecimal
from serving.dialects.names import NAMES, Names
from serving.dialects.openai_videos import render
from serving.dialects.openai_videos.read import Attempt, read, read_edit, read_extend, read_remix
from serving.dialects.stream import film_response
from serving.errors import BadField, Missing, NotPossible, UnknownJob, UnknownModel, UnknownPath
from serving.jobs.job import JobId, State
from serving.wish import Wish

__all__ = ["doors"]

VARIANTS = ("video", "thumbnail", "spritesheet")
SEEN = tuple(state for state in State if state is not State.EXPIRED)
MOST_KEY = 255  # characters of an idempotency key


def doors(desk: Desk, *, bounds: Bounds | None = None, names: Names = NAMES) -> Sequence[Door]:
    """The doors. No answer of theirs holds an address: films are fetched under the base URL of the client."""
    doors = _Doors(desk, bounds or Bounds(), names)
    ways: Sequence[tuple[str, str, Opens]] = (
        ("/videos", "POST", doors.create),
        ("/videos", "GET", doors.list),
        ("/videos/edits", "POST", doors.edit),
        ("/videos/extensions", "POST", doors.extend),
        ("/videos/characters", "POST", doors.create_character),
        ("/videos/characters/{name}", "GET", doors.get_character),
        ("/videos/{video}", "GET", doors.retrieve),
        ("/videos/{video}", "DELETE", doors.delete),
        ("/videos/{video}/remix", "POST", doors.remix),
        ("/videos/{video}/content", "GET", doors.content),
        ("/models", "GET", doors.models),
        ("/models/{model}", "GET", doors.model),
        ("/files", "POST", doors.create_file),
    )
    return [Door.at(f"/v1{path}", method, opens) for path, method, opens in ways]


class _Doors:
    """One method per endpoint."""

    def __init__(self, desk: Desk, bounds: Bounds, names: Names) -> None:
        self.desk, self.bounds, self.names = desk, bounds, names

    async def create(self, request: Request) -> Response:
        body = await files_of(request, self.bounds)
        return await self._submit(request, partial(read, body, _attempt(request), self.names))

    async def edit(self, request: Request) -> Response:
        body = await files_of(request, self.bounds)
        return await self._submit(
            request, partial(read_edit, body, _attempt(request), self.names, await self._model_of(request, body))
        )

    async def extend(self, request: Request) -> Response:
        body = await files_of(request, self.bounds)
        return await self._submit(
            request, partial(read_extend, body, _attempt(request), self.names, await self._model_of(request, body))
        )

    async def remix(self, request: Request) -> Response:
        source = await self.desk.get(caller_of(request), _job(request))
        if source.job.state is not State.SUCCEEDED:
            raise NotPossible("Only a completed video can be remixed. Wait for it, or choose another one.")
        body = await files_of(request, self.bounds)
        return await self._submit(
            request, partial(read_remix, body, source.job.id, source.wish.model, _attempt(request))
        )

    async def _model_of(self, request: Request, body: f.Fields) -> str | None:
        """The model of the film that is to be changed, when it is one of ours."""
        video = body.get("video")
        named = video.get("id") if isinstance(video, dict) else None
        job = hexadecimal(named.removeprefix("video_")) if isinstance(named, str) else None
        return (await self.desk.get(caller_of(request), JobId(job))).wish.model if job else None

    async def _submit(self, request: Request, read: Callable[[], Wish]) -> Response:
        wish = await aside(request, read)
        return _shown(await self.desk.submit(caller_of(request), wish))

    async def retrieve(self, request: Request) -> Response:
        standing = await self.desk.get(caller_of(request), _job(request))
        if standing.job.state is State.EXPIRED:
            raise _unknown()
        return _shown(standing)

    async def list(self, request: Request) -> Response:
        query = request.query_params
        after = None
        if query.get("after"):
            found = hexadecimal(query["after"].removeprefix("video_"))
            if found is None:
                raise BadField("after", "after is no id of a video. Give the last_id of the page before.")
            after = JobId(found)
        try:
            page = await self.desk.list(
                caller_of(request),
                after=after,
                limit=f.whole(query, "limit", 1, 100) or 20,
                newest_first=f.choice(query, "order", ("asc", "desc")) != "asc",
                states=SEEN,
            )
        except UnknownJob:
            raise BadField("after", "after names no video of yours. Start again without it.") from None
        return JSONResponse(render.page(page))

    async def delete(self, request: Request) -> Response:
        job = _job(request)
        await self.desk.delete(caller_of(request), job)
        return JSONResponse(render.deleted(job))

    async def content(self, request: Request) -> Response:
        job, variant = _job(request), request.query_params.get("variant") or "video"
        if variant not in VARIANTS:
            raise BadField("variant", f"There is no such variant. Give one of {', '.join(VARIANTS)}.")
        content = await self.desk.content(caller_of(request), job, variant)
        return film_response(request, content, self.desk.read, render.video_id(job))

    async def create_character(self, request: Request) -> Response:
        caller_of(request)
        raise BadField("video", "Characters are not kept here. Give their pictures as reference_images of a video.")

    async def get_character(self, request: Request) -> Response:
        caller_of(request)
        raise UnknownPath("There is no such character: none are kept here.")

    async def models(self, request: Request) -> Response:
        return JSONResponse(render.models(await self.desk.models(caller_of(request))))

    async def model(self, request: Request) -> Response:
        name = request.path_params["model"]
        if name not in await self.desk.models(caller_of(request)):
            raise UnknownModel("There is no such model here. GET /v1/models is the list of models; name one.")
        return JSONResponse(render.model(name))

    async def create_file(self, request: Request) -> Response:
        caller = caller_of(request)
        form = await form_of(request, self.bounds)
        try:
            sent, purpose = form.get("file"), form.get("purpose")
            if not isinstance(sent, UploadFile):
                raise Missing("file", "file is missing. Send it as a part of the form, with a file name.")
            upload = await self.desk.upload(caller, (sent.filename or "file")[:255], _chunks(sent))
        finally:
            await form.close()
        return JSONResponse(render.file(upload, purpose if isinstance(purpose, str) else "user_data"))


async def _chunks(sent: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await sent.read(1 << 18):
        yield chunk


def _attempt(request: Request) -> Attempt:
    key = f.text(request.headers, "idempotency-key", most=MOST_KEY, spelled="Idempotency-Key")
    return Attempt(key=key, retried=request.headers.get("x-stainless-retry-count", "0").strip() not in ("", "0"))


def _job(request: Request) -> JobId:
    named: str = request.path_params["video"]
    found = hexadecimal(named.removeprefix("video_"))
    if found is None:
        raise _unknown()
    return JobId(found)


def _unknown() -> UnknownJob:
    return UnknownJob("There is no such video. It may have been deleted, or its time is over.")


def _shown(standing: Standing) -> Response:
    wait = render.poll_after(standing)
    return JSONResponse(render.video(standing), headers={"openai-poll-after-ms": wait} if wait else {})
