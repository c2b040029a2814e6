"""Every error as the caller's own dialect writes it, whatever raised it and wherever.

The path's prefix chooses the dialect, so errors of the gate, of routing and of the framework look like its own too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.dialects import dashscope, native, openai_videos
from serving.dialects.caller import REQUEST
from serving.errors import BadField, Broken, CellError, TooLarge, UnknownPath, WrongMethod

__all__ = ["Shell", "error_response", "in_our_words"]

log = logging.getLogger(__name__)

Answer = tuple[int, Mapping[str, str], bytes]  # status, headers, body
Writer = Callable[[CellError, str, str], Answer]  # error, path, request id

#: The first prefix that fits decides.
_WRITERS: Final[tuple[tuple[str, Writer], ...]] = (
    ("/api/", dashscope.error_response),
    ("/v1/jobs", native.error_response),
    ("/v1/detect", native.error_response),
    ("/v1", openai_videos.error_response),
    ("", native.error_response),
)


def error_response(error: CellError, path: str, request_id: str = "") -> Answer:
    """Status, headers and body of an error in the dialect that a path belongs to."""
    writer = next(writer for prefix, writer in _WRITERS if path.startswith(prefix))
    status, headers, body = writer(error, path, request_id)
    return status, {**headers, "x-request-id": request_id} if request_id else headers, body


def in_our_words(error: Exception) -> CellError:
    """Any exception as one of ours; what is unknown is our fault, and its text stays inside."""
    if isinstance(error, CellError):
        return error
    if isinstance(error, ClientDisconnect):
        return BadField("body", "The connection ended before the body did. Send the request again.")
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return UnknownPath("There is nothing at this address. Check the base URL and the path.")
        if error.status_code == 405:
            return WrongMethod("This address does not do that.", (error.headers or {}).get("Allow", ""))
        if error.status_code == 413:
            return TooLarge("The request is too large. Send less, or upload large media first.")
        return BadField("body", "The request cannot be read. Check its form.")
    return Broken("Something went wrong on our side.")


class Shell:
    """Pure ASGI around the dialects: gives each request an id, and each failure its dialect's shape."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self.app = app
        self.new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = scope[REQUEST] = scope.get(REQUEST) or self.new_id()
        begun = ended = False

        async def marked(message: Message) -> None:
            nonlocal begun, ended
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).setdefault("x-request-id", request_id)
            await send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self.app(scope, receive, marked)
        except Exception as error:  # noqa: BLE001 - the last door: whatever comes gets an answer in shape
            ours = in_our_words(error)
            if isinstance(ours, Broken):
                # no traceback: its lines may hold what a client wrote
                log.error("A request failed.", extra={"request": request_id, "error": type(error).__name__})
            if begun and not ended:
                raise ours from None  # the connection ends here, so the client sees that the answer is not whole
            if not begun:
                status, headers, body = error_response(ours, scope["path"], request_id)
                await Response(body, status, dict(headers))(scope, receive, marked)
        return None
