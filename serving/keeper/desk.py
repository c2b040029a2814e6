"""Answers the studios that write to the log from other pods. Pure ASGI, for a port that only they reach.

Who shows the token may say `hello`, `write` an entry and `archive` an object; see `serving.cluster.recorder`. An entry
that comes twice is written twice, as a second word on the same work is; so nobody here tries a call again.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from policies.errors import Malformed, PolicyError
from serving.errors import CellError
from serving.gate import Receive, Scope, Send

__all__ = ["MOST_BODY", "Desk", "Writes"]

log = logging.getLogger(__name__)

MOST_BODY: Final = 8 << 20  # bytes; the recorder's own bound
MOST_AT_ONCE: Final = 256


class Writes(Protocol):
    """As much of a recorder as is asked from outside."""

    def hello(self) -> dict[str, str]:
        """Who writes, and where."""

    async def write(self, data: bytes) -> dict[str, str]:
        """Returns once the entry is durable. Raises Malformed for what is no entry."""

    async def archive(self, data: bytes) -> None:
        """Returns once the object is durable."""


class TooMuch(Exception):
    """A body is beyond its bound, or its sender went away."""


class Desk:
    """`token` is what studios show."""

    def __init__(self, recorder: Writes, token: bytes) -> None:
        self._told = b"Bearer " + token
        self._at_once = 0
        self._answers: dict[str, Callable[[bytes], Awaitable[object]]] = {
            "/hello": lambda _: _now(recorder.hello()),
            "/write": recorder.write,
            "/archive": recorder.archive,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Nothing of a body is read before the token has been seen."""
        if scope["type"] != "http":
            return
        answer = self._answers.get(str(scope["path"]))
        if not hmac.compare_digest(_shown(scope), self._told):
            await _say(send, 401, {"error": "Show the token of keeper.token."})
        elif scope["method"] != "POST" or answer is None:
            await _say(send, 404, {"error": "Post to /hello, /write or /archive."})
        elif self._at_once >= MOST_AT_ONCE:
            await _say(send, 503, {"error": "Too many ask at once."})
        else:
            await self._answered(answer, receive, send)

    async def _answered(self, answer: Callable[[bytes], Awaitable[object]], receive: Receive, send: Send) -> None:
        self._at_once += 1
        try:
            await _say(send, 200, await answer(await _body(receive)))
        except Malformed:
            await _say(send, 422, {"error": "malformed"})
        except TooMuch:
            await _say(send, 413, {"error": f"A body has at most {MOST_BODY:,} bytes."})
        except (PolicyError, CellError) as error:
            log.error("An entry could not be written.", extra={"error": type(error).__name__})
            await _say(send, 503, {"error": "The log cannot be written now."})
        finally:
            self._at_once -= 1


async def _now(value: object) -> object:
    return value


def _shown(scope: Scope) -> bytes:
    headers: list[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment]  # ASGI says so
    return next((value for name, value in headers if name == b"authorization"), b"")


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message: Mapping[str, object] = await receive()
        if message["type"] != "http.request":
            raise TooMuch
        body += message.get("body", b"")  # type: ignore[arg-type]  # ASGI says bytes
        if len(body) > MOST_BODY:
            raise TooMuch
        if not message.get("more_body"):
            return bytes(body)


async def _say(send: Send, status: int, told: object) -> None:
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
