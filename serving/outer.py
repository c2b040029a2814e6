"""The outermost application of a gateway: probes, and behind the gate everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import JSONResponse

from serving.dialects.dashscope.routes import UPLOADS
from serving.dialects.films import FILMS
from serving.gate import App, Receive, Scope, Send

__all__ = ["Outer", "free"]

DESCRIPTION: Final = "/v1/jobs/openapi.json"


def free(scope: Scope) -> bool:
    """Whether a request needs no key: signed links and grants vouch for themselves, and a description is no secret."""
    method, path = str(scope["method"]), str(scope["path"])
    if method in ("GET", "HEAD"):
        return path.startswith(FILMS) or path == DESCRIPTION
    return method == "POST" and path.startswith(UPLOADS)


class Outer:
    """Pure ASGI. `ready` says whether the cell can do its work; that it answers at all is its liveness."""

    def __init__(self, gate: App, *, ready: Callable[[], Awaitable[str]]) -> None:
        """`ready` gives "" or what is missing, in words."""
        self.gate, self.ready = gate, ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on."""
        path = str(scope.get("path", ""))
        if scope["type"] == "http" and path in ("/livez", "/readyz"):
            response = await self._probe(path)
            return await response(scope, receive, send)  # type: ignore[arg-type]  # starlette spells ASGI its own way
        return await self.gate(scope, receive, send)

    async def _probe(self, path: str) -> JSONResponse:
        if path == "/livez":
            return JSONResponse({"live": True})
        missing = await self.ready()
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)
