"""How a connection ends whose request was answered before its body was read.

Many clients write their body to the end before they read the answer. A socket that is closed over bytes which nobody
has taken is reset, and the answer is lost with it (RFC 9112, section 9.6). So once the answer is whole, what is still
on its way is taken off the wire and dropped, within bounds, and then the connection ends. None of it reaches an
application, and a client that waits for `100 Continue` is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from serving.gate import App, Message, Receive, Scope, Send

__all__ = ["Farewell"]

LINGER: Final = 10.0  # seconds that a client has, after its answer, to end its body
HUSH: Final = 1.0  # seconds without a byte after which no more is expected
MOST: Final = 64 << 20  # bytes that are dropped: two pictures of 20 MB as data URIs, and some
_BODY: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_CLOSE: Final = (b"connection", b"close")


class Farewell:
    """Pure ASGI around all doors. An answer that leaves a long body unread says `Connection: close`, whosever it is."""

    def __init__(self, app: App, *, linger: float = LINGER, hush: float = HUSH, most: int = MOST) -> None:
        """`linger` and `hush` in seconds, `most` in bytes."""
        self.app, self.linger, self.hush, self.most = app, linger, hush, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on one request, and sees its client off."""
        if scope["type"] != "http" or not (told := _of_body(scope)):
            return await self.app(scope, receive, send)
        parting = _Parting(receive, send, told)
        await self.app(scope, parting.receive, parting.send)
        if parting.owed:
            with suppress(TimeoutError):
                await self._drop(parting)
            await send({"type": "http.response.body", "body": b""})
        return None

    async def _drop(self, parting: _Parting) -> None:
        """Raises TimeoutError when nothing comes."""
        left, clock = self.most if parting.invited else 0, asyncio.get_running_loop().time
        end = clock() + self.linger
        while left > 0 and not parting.whole and clock() < end:
            async with asyncio.timeout(min(self.hush, end - clock())):
                message = await parting.receive()
            left -= len(message.get("body", b""))  # type: ignore[arg-type]  # ASGI: bytes


class _Parting:
    """One request with a body, as far as its end is concerned."""

    def __init__(self, receive: Receive, send: Send, told: Mapping[bytes, bytes]) -> None:
        self._receive, self._send = receive, send
        self.invited = b"expect" not in told  # the client sends its body without being asked, or was asked
        self.whole = False  # all of the body was received, or its client is gone
        self.owed = False  # the end of the answer is held back
        self._small = b"transfer-encoding" not in told and len(told[b"content-length"]) < 6  # digits: the server
        # passes over so little by itself, and the connection can go on
        self._closes = False

    async def receive(self) -> Message:
        self.invited = True
        message = await self._receive()
        self.whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.whole:
            headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))  # type: ignore[call-overload]  # ASGI: pairs
            self._closes = not self._small or _CLOSE in headers or message["status"] == 408
            if self._closes and _CLOSE not in headers:
                message = {**message, "headers": [*headers, _CLOSE]}
        elif message["type"] == "http.response.body" and self._closes and not message.get("more_body", False):
            self.owed = True
            message = {**message, "more_body": True}
        await self._send(message)


def _of_body(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers that say something of a body; none for a request that has no body."""
    pairs: list[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment]  # ASGI: pairs of bytes
    told = {name: value for name, value in pairs if name in _BODY}
    return {} if told.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in told else told
