"""The server's own bounds, before any application is asked: how long the head of a request may be, and how long it may
take to come.

The parser keeps whatever it is sent of a head until its end, trailers of a chunked body included, and waits for it for
ever. So bytes are counted from the last moment at which they came to something, a request or a piece of its body, and
a connection that has sent too many for nothing, or has begun a head and does not end it, is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server

__all__ = ["Wire", "server_of"]

MOST_HEAD: Final = 64 << 10  # bytes; a key and the headers of the vendors' clients take one or two thousand
HEAD_S: Final = 30.0  # seconds from a connection, or a request's first byte, to the end of the request's head
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 55\r\nconnection: close\r\n\r\nThe head of the request is too long. Send fewer headers."
)


class Wire(HttpToolsProtocol):
    """One connection of a client."""

    most_head, head_s = MOST_HEAD, HEAD_S

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._idle = 0  # bytes that came to nothing yet
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle += len(data)
        super().data_received(data)
        if self._late is None and self._between():
            self._await_head()  # the next one, or what is left of a body that nobody wants
        if self._idle > self.most_head and not self.transport.is_closing():
            if self._late is not None and self._between():
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._late is not None:  # a trailer is no header: whoever filters headers before us has not seen it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        self._idle = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle = 0
        super().on_body(body)

    def _between(self) -> bool:
        """Whether no request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first one
        return cycle is None or cycle.response_complete

    def _await_head(self) -> None:
        self._head_is_here()
        self._late = self.loop.call_later(self.head_s, self.transport.close)

    def _head_is_here(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def server_of(app: Any, **more: Any) -> Server:
    """A server for an application of ours, which knows neither WebSockets nor a lifespan. `more` is uvicorn's."""
    told: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "timeout_keep_alive": 65}
    return Server(Config(app, http=Wire, ws="none", **told, **more))
