"""The door at which films are asked whether this cell made them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from serving.detector import Detector, Turns
from serving.dialects.caller import caller_here, caller_of
from serving.dialects.forms import read_body
from serving.dialects.native.routes import PROBLEMS
from serving.dialects.native.shapes import ManifestShown, MarksShown, WatermarkShown
from serving.media.marks.sighting import Sighting

__all__ = ["PATH", "router"]

PATH: Final = "/v1/detect"
_FILM: Final[dict[str, Any]] = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "required": True,
    }
}


def router(detector: Detector, turns: Turns | None = None) -> APIRouter:
    """The one door; `turns` bound how much is looked at together."""
    turns = turns or Turns()
    routes = APIRouter(dependencies=[Depends(caller_here)], responses=PROBLEMS, tags=["marks"])

    async def detect(request: Request) -> Response:
        """The body is a film: MP4, MOV, WebM, Matroska, AVI or GIF, as delivered or as others have encoded it since."""
        with turns.of(caller_of(request).tenant):
            seen = await detector.sight(await read_body(request, detector.most))
        return Response(shown(seen).model_dump_json(), media_type="application/json")

    routes.add_api_route(
        PATH,
        detect,
        methods=["POST"],
        response_model=MarksShown,
        summary="Ask whether a film was made here",
        openapi_extra=_FILM,
    )
    return routes


def shown(seen: Sighting) -> MarksShown:
    """Without what would lead to a tenant: the id in a watermark means something to this cell's log alone."""
    mark, said = seen.mark, seen.manifest
    return MarksShown(
        generated=seen.generated,
        watermark=WatermarkShown(id=mark.pid, picture=mark.picture, sound=mark.sound) if mark else None,
        manifest=ManifestShown(
            standing=said.standing.value,
            problems=list(said.problems),
            generated=said.generated,
            log=said.residency.origin if said.residency else None,
            request=said.residency.request if said.residency else None,
        ),
    )
