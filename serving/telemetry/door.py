"""Where a request's trace begins and ends: pure ASGI around the gate. It reads the first line and touches no body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final

from opentelemetry import trace

from serving.desk import Caller
from serving.dialects.caller import CALLER
from serving.dialects.films import FILMS
from serving.gate import App, Receive, Scope, Send, makes
from serving.telemetry.eyes import Eyes, Span, Told

__all__ = ["Door", "Watched", "current_request", "dialect_of"]

#: The first prefix that fits decides.
_DIALECTS: Final = ((FILMS, "films"), ("/api/", "dashscope"), ("/v1/jobs", "native"), ("/v1/", "openai"))
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def dialect_of(path: str) -> str:
    """Whose address a path is."""
    return next((name for prefix, name in _DIALECTS if path.startswith(prefix)), "other")


def current_request() -> str:
    """The id of the request that is being answered, or "" outside of one."""
    found = trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else ""


class Door:
    """Begins the trace of each request. A request that makes no film is traced by `reads`, a share of all such."""

    def __init__(self, app: App, eyes: Eyes, *, new_id: Callable[[], str], reads: float) -> None:
        """`new_id` draws 32 hexadecimal digits; the gate takes them over by `current_request`."""
        self.app, self.eyes, self.new_id, self.reads = app, eyes, new_id, reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, and tells."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request, began = self.new_id(), perf_counter()
        method = str(scope["method"]) if scope["method"] in _METHODS else "_OTHER"
        dialect, status = dialect_of(str(scope["path"])), 0

        async def heard(message: Mapping[str, object]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
            await send(message)

        sampled = makes(scope) or int(request[:8], 16) < self.reads * (1 << 32)
        with self.eyes.request(request, sampled=sampled) as span:
            try:
                await self.app(scope, receive, heard)
            finally:
                _tell(span, scope, method, dialect, status)
                labels = {"dialect": dialect, "method": method, "status": f"{status // 100}xx" if status else "none"}
                self.eyes.measure("equerry.request.duration", perf_counter() - began, **labels)
        return None


def _tell(span: Span, scope: Scope, method: str, dialect: str, status: int) -> None:
    told: dict[str, Told] = {"http.request.method": method, "http.response.status_code": status, "dialect": dialect}
    span.tell(**told)
    caller = scope.get(CALLER)
    if isinstance(caller, Caller):
        span.tell(tenant=caller.tenant, data_class=caller.data_class)


class Watched:
    """One layer of the way in as a span."""

    def __init__(self, app: App, eyes: Eyes, name: str) -> None:
        self.app, self.eyes, self.name = app, eyes, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on."""
        with self.eyes.span(self.name):
            await self.app(scope, receive, send)
