"""The doors of the native API, under `/v1/jobs`: small, described by OpenAPI, with progress as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.desk import Desk, Standing
from serving.dialects.beat import with_beats
from serving.dialects.caller import caller_here, caller_of
from serving.dialects.forms import Bounds, aside, bounded, json_of
from serving.dialects.names import NAMES, Names
from serving.dialects.native import render
from serving.dialects.native.read import read
from serving.dialects.native.shapes import HEX, JobAsked, JobShown, PageShown, Problem, UploadShown, schema_of
from serving.dialects.origin import Origin
from serving.dialects.stream import film_response
from serving.errors import BadField, UnknownJob
from serving.jobs.job import JobId, State

__all__ = ["router"]

Id = Annotated[str, InPath(pattern=HEX, description="The job's id.", examples=["0" * 32])]
_PROBLEM: Final[dict[str, Any]] = {"content": {"application/problem+json": {"schema": schema_of(Problem)}}}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is missing or wrong.", **_PROBLEM},
    401: {"description": "There is no key, or it is not known.", **_PROBLEM},
    403: {"description": "The key may not do this.", **_PROBLEM},
    404: {"description": "There is no such job of yours.", **_PROBLEM},
    408: {"description": "The body did not come.", **_PROBLEM},
    409: {"description": "The state of the job, or an idempotency key, stands against it.", **_PROBLEM},
    410: {"description": "The film is kept no longer.", **_PROBLEM},
    413: {"description": "Too large.", **_PROBLEM},
    421: {"description": "Another cell serves this key; nothing of the body was read.", **_PROBLEM},
    429: {"description": "Too much at once; Retry-After says when.", **_PROBLEM},
    503: {"description": "Not available now; Retry-After says when.", **_PROBLEM},
    "4XX": {"description": "Whatever else is wrong with a request.", **_PROBLEM},  # in place of the framework's own
}


def router(desk: Desk, origin: Origin, *, bounds: Bounds | None = None, names: Names = NAMES) -> APIRouter:
    """The doors."""
    doors = _Doors(desk, origin, bounds or Bounds(), names)
    routes = APIRouter(prefix="/v1/jobs", dependencies=[Depends(caller_here)], responses=PROBLEMS, tags=["jobs"])
    asked = {"content": {"application/json": {"schema": schema_of(JobAsked)}}, "required": True}
    routes.add_api_route(
        "",
        doors.create,
        methods=["POST"],
        status_code=202,
        response_model=JobShown,
        summary="Ask for a film",
        openapi_extra={"requestBody": asked},
    )
    routes.add_api_route("", doors.list, methods=["GET"], response_model=PageShown, summary="List your jobs")
    routes.add_api_route(
        "/uploads",
        doors.upload,
        methods=["POST"],
        status_code=201,
        response_model=UploadShown,
        summary="Leave a picture or a film for later",
        openapi_extra={
            "requestBody": {
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                "required": True,
            }
        },
    )
    _add_job_routes(routes, doors)
    return routes


def _add_job_routes(routes: APIRouter, doors: _Doors) -> None:
    get = routes.add_api_route
    get("/{job}", doors.show, methods=["GET"], response_model=JobShown, summary="Look at a job")
    get("/{job}", doors.delete, methods=["DELETE"], status_code=204, response_model=None, summary="Delete the film")
    get("/{job}/cancel", doors.cancel, methods=["POST"], response_model=JobShown, summary="Stop a job")
    streams = {
        "text/event-stream": {"schema": {"description": "Events: each is named by the state, and holds the job."}}
    }
    get(
        "/{job}/events",
        doors.events,
        methods=["GET"],
        response_model=None,
        response_class=Response,
        summary="Progress as it happens, as server-sent events",
        responses={200: {"description": "The job now and after each change, until it ends.", "content": streams}},
    )
    films = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}
    stills = dict.fromkeys(("image/webp", "image/jpeg"), films["video/mp4"])  # thumbnail and spritesheet
    get(
        "/{job}/preview",
        doors.preview,
        methods=["GET"],
        response_model=None,
        response_class=Response,
        summary="The finished film as fragmented MP4, which plays while it loads",
        responses={200: {"description": "Fragmented MP4.", "content": films}},
    )
    get(
        "/{job}/content",
        doors.content,
        methods=["GET"],
        response_model=None,
        response_class=Response,
        summary="The film, whole or a range of it",
        responses={
            200: {"description": "The film.", "content": films | stills},
            206: {"description": "A range of it.", "content": films | stills},
            304: {"description": "The film is the one that If-None-Match names."},
            416: {"description": "The range begins behind its end."},
        },
    )
    get("/{job}/content", doors.content, methods=["HEAD"], response_model=None, include_in_schema=False)


class _Doors:
    """One method per endpoint."""

    def __init__(self, desk: Desk, origin: Origin, bounds: Bounds, names: Names) -> None:
        self.desk, self.origin, self.bounds, self.names = desk, origin, bounds, names

    async def create(
        self,
        request: Request,
        idempotency_key: Annotated[
            str | None,
            Header(
                max_length=255, description="The same key within a day gives the same job, however often it is sent."
            ),
        ] = None,
    ) -> Response:
        """The answer comes when the job is durable, not when the film is made."""
        body = await json_of(request, self.bounds.body)
        wish = await aside(request, partial(read, body, key=idempotency_key or None, names=self.names))
        standing = await self.desk.submit(caller_of(request), wish)
        return self._shown(standing, 202, {"location": self.origin.url(f"/v1/jobs/{standing.job.id}")})

    async def list(
        self,
        request: Request,
        after: Annotated[str | None, Query(pattern=HEX, description="The last job of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
        state: Annotated[list[State] | None, Query(description="Only jobs in these states.")] = None,
    ) -> Response:
        """Newest first unless asked otherwise."""
        states, newest_first = tuple(state or ()), order == "desc"
        try:
            found = await self.desk.list(
                caller_of(request),
                after=None if after is None else JobId(after),
                limit=limit,
                newest_first=newest_first,
                states=states,
            )
        except UnknownJob:
            raise BadField("after", "after names no job of yours. Start again without it.") from None
        shown = render.page(found, self.origin, limit=limit, newest_first=newest_first, states=states)
        return Response(shown.model_dump_json(), media_type="application/json")

    async def show(self, request: Request, job: Id) -> Response:
        """State, progress, place in the queue, and the film when it is there."""
        return self._shown(await self.desk.get(caller_of(request), JobId(job)))

    async def cancel(self, request: Request, job: Id) -> Response:
        """Queued or running; the engine stops within one step."""
        return self._shown(await self.desk.cancel(caller_of(request), JobId(job)))

    async def delete(self, request: Request, job: Id) -> Response:
        """Stops the job if need be and deletes the film. The record of it stays."""
        await self.desk.delete(caller_of(request), JobId(job))
        return Response(status_code=204)

    async def events(self, request: Request, job: Id) -> Response:
        """Each event is named by the state and holds the job."""
        standings = await self.desk.watch(caller_of(request), JobId(job))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        told = with_beats(self._told(standings), b": it goes on\n\n")  # a comment, which clients pass over
        return StreamingResponse(told, 200, headers, "text/event-stream")

    async def _told(self, standings: AsyncIterator[Standing]) -> AsyncGenerator[bytes, None]:
        try:
            async for each in standings:
                yield render.event(each, self.origin)
        finally:
            if isinstance(standings, AsyncGenerator):
                await standings.aclose()

    async def preview(self, request: Request, job: Id) -> Response:
        """Only of a film that is finished: one that is being made has no marks yet, and nothing leaves without them."""
        chunks = await self.desk.preview(caller_of(request), JobId(job))
        return StreamingResponse(chunks, 200, {"cache-control": "no-store"}, "video/mp4")

    async def content(
        self, request: Request, job: Id, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
    ) -> Response:
        """Ranges and ETags work as RFC 9110 says."""
        found = await self.desk.content(caller_of(request), JobId(job), variant)
        return film_response(request, found, self.desk.read, job)

    async def upload(
        self, request: Request, name: Annotated[str, Query(max_length=255, description="For people.")] = "file"
    ) -> Response:
        """The body is the file. The id goes into a job's media as `upload`."""
        left = await self.desk.upload(caller_of(request), name, bounded(request, self.bounds.part))
        return Response(render.upload(left).model_dump_json(), 201, media_type="application/json")

    def _shown(self, standing: Standing, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        body = render.job(standing, self.origin).model_dump_json()
        return Response(body, status, headers, "application/json")
