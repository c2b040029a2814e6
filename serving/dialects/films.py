"""The door of signed links: a film for whoever holds its address, with no key, in any dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.desk import Caller, Desk
from serving.dialects.media import hexadecimal
from serving.dialects.stream import film_response
from serving.errors import UnknownJob
from serving.jobs.job import JobId

__all__ = ["FILMS", "Opened", "Opens", "router"]

FILMS: Final = "/content/"  # a job's id and `film.mp4` follow; the gate lets it through without a key


class Opened(Protocol):
    """What a good link says."""

    @property
    def tenant(self) -> str:
        """Whose film it is."""


class Opens(Protocol):
    """Judges links."""

    def check(self, method: str, path: str, query: str, *, now: int) -> Opened:
        """Path and query as they came; `now` in seconds since 1970. Raises Forbidden, Expired."""


def router(desk: Desk, links: Opens, now: Callable[[], int]) -> APIRouter:
    """The door. `now` in milliseconds since 1970."""

    async def film(request: Request) -> Response:
        path = request.scope.get("raw_path", b"").decode("latin-1") or request.url.path
        query = request.scope["query_string"].decode("latin-1")
        opened = links.check(request.method, path, query, now=now() // 1000)
        job = hexadecimal(request.path_params["job"])
        if job is None:
            raise UnknownJob("There is no such film.")
        holder = Caller(tenant=opened.tenant, key="link", data_class="", decision="")
        content = await desk.content(holder, JobId(job))
        return film_response(request, content, desk.read, job)

    routes = APIRouter(include_in_schema=False)
    routes.add_api_route(FILMS + "{job}/film.mp4", film, methods=["GET", "HEAD"], response_model=None)
    return routes
