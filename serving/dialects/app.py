"""The three dialects as one ASGI application, to stand behind the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from serving.desk import Desk
from serving.detector import Detector
from serving.dialects import dashscope, films, native, openai_videos
from serving.dialects.answers import Shell, error_response, in_our_words
from serving.dialects.caller import request_id_of
from serving.dialects.doorway import Doorway
from serving.dialects.forms import Bounds
from serving.dialects.grants import Signer
from serving.dialects.luggage import MOST, Luggage
from serving.dialects.names import NAMES, Names
from serving.dialects.origin import Origin
from serving.errors import BadField, CellError

__all__ = ["application", "described"]

DESCRIPTION = "Films with sound, made and kept in one region. The OpenAI and DashScope clients work here too."


def application(
    desk: Desk,
    origin: Origin,
    *,
    signer: Signer,
    now: Callable[[], int],
    new_id: Callable[[], str],
    region: str,
    bounds: Bounds | None = None,
    names: Names = NAMES,
    links: films.Opens | None = None,
    detector: Detector | None = None,
    flight: int = MOST,
    still: Callable[[str], bool] = lambda _: True,
) -> ASGIApp:
    """All doors. The gate must have put the caller into the scope (see `caller.py`); without one nothing opens.

    `now` in milliseconds since 1970, `new_id` fresh hexadecimal digits, `region` the cell's name,
    `links` judges signed addresses of films; without it none opens. `detector` looks for marks; without it that door
    is not there. `flight` is how many bytes of bodies are in hand at once. `still` says whether a
    tenant is one, of those who come with a grant and no key.
    """
    bounds = bounds or Bounds()
    app = FastAPI(
        title="Equerry",
        version="1",
        description=DESCRIPTION,
        openapi_url="/v1/jobs/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": origin.text}],
    )
    app.include_router(native.router(desk, origin, bounds=bounds, names=names))
    if detector is not None:
        app.include_router(native.detection(detector))
    if links is not None:
        app.include_router(films.router(desk, links, now))
    for kind in (CellError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    doors = [
        *openai_videos.doors(desk, bounds=bounds, names=names),
        *dashscope.doors(
            desk, origin, signer=signer, now=now, new_id=new_id, region=region, still=still, bounds=bounds, names=names
        ),
    ]
    return Shell(Luggage(Doorway(doors, app), flight))


async def _answer(request: Request, error: Exception) -> Response:
    ours = _invalid(error) if isinstance(error, RequestValidationError) else in_our_words(error)
    status, headers, body = error_response(ours, request.url.path, request_id_of(request))
    return Response(body, status, dict(headers))


def _invalid(error: RequestValidationError) -> CellError:
    """A path, query or header parameter that does not fit."""
    found = error.errors()[0]
    place, field = str(found["loc"][0]), str(found["loc"][-1])
    if place == "path":
        return in_our_words(HTTPException(404))
    return BadField(field, f"{field}: {str(found['msg'])[:1].lower()}{str(found['msg'])[1:]}.")


def described(app: ASGIApp) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the native API."""
    inner = app.app if isinstance(app, Shell) else app
    inner = inner.app if isinstance(inner, Luggage) else inner
    inner = inner.beyond if isinstance(inner, Doorway) else inner
    return inner.openapi() if isinstance(inner, FastAPI) else {}
