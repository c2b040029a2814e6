"""What operators and their machines ask, at an address that clients do not reach: liveness, readiness, metrics."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from prometheus_client import Metric as Family
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.errors import Refused
from serving.gate import Receive, Scope, Send
from serving.telemetry.text import rendered

__all__ = ["Operations", "bound", "serve_operations"]

MOST: Final = 16  # requests at the same time

_NO_BODY: Final = ("GET", "HEAD")


class Operations:
    """Pure ASGI; reads no body."""

    def __init__(self, ready: Callable[[], Awaitable[str]], families: Callable[[], Iterable[Family]] | None) -> None:
        """`ready` gives "" or what is missing; without `families` there are no metrics."""
        self.ready, self.families = ready, families

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        response = await self._answer(Request(scope))
        await response(scope, receive, send)  # type: ignore[arg-type]  # starlette spells ASGI its own way

    async def _answer(self, request: Request) -> Response:
        if request.method not in _NO_BODY:
            return JSONResponse({"error": "Only GET is answered here."}, 405, {"allow": "GET, HEAD"})
        match request.url.path:
            case "/livez":
                return JSONResponse({"live": True})
            case "/readyz":
                missing = await self.ready()
                return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)
            case "/metrics" if self.families is not None:
                body, kind = rendered(self.families, request.headers.get("accept", ""))
                return Response(body, media_type=None, headers={"content-type": kind})
            case _:
                return JSONResponse({"error": "Ask for /livez, /readyz or /metrics."}, 404)


def bound(host: str, port: int) -> socket.socket:
    """A socket for `serve_operations`. Raises Refused when the address is taken or is none of this machine."""
    place = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((host, port))
        place.listen()  # only from here on is the port nobody else's
    except OSError as error:
        place.close()
        raise Refused(
            f"Operations cannot listen on {host}:{port} ({error.strerror}). Free it, or change listen.operations_port."
        ) from None
    return place


class _Listener(uvicorn.Server):
    """A server that leaves signals to the one that clients reach."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing."""
        yield


async def serve_operations(app: Operations, place: socket.socket) -> None:
    """Answers at a bound socket until it is cancelled."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=MOST,
    )
    listener = _Listener(config)
    try:
        await listener.serve([place])
    finally:  # who is cancelled leaves its doors open otherwise
        for server in getattr(listener, "servers", ()):
            server.close()
        place.close()
