"""How many bytes of bodies a gateway has in hand at once: a request holds what came of its own until it is answered.

A body lies in memory two or three times over while it is read, and the parts of a form on disk, so without a bound a
few large requests would end the process, and the log's writer with it where both live in one pod. One tenant has half
of the room at most. A body that does not come is not waited for: its request holds a place, and an entry of the log
without an end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.desk import Caller
from serving.dialects.caller import CALLER
from serving.errors import Limited, TooSlow

__all__ = ["CAME", "MOST", "Luggage"]

CAME: Final = "equerry.came"  # key of the scope; bytes of the body so far
MOST: Final = 1 << 30  # bytes
WAIT: Final = 5  # seconds after which it is worth another try
HUSH: Final = 30.0  # seconds without a byte of a body
WHOLE: Final = 900.0  # seconds for all of it: the longest body there is, at 2.4 Mbit/s
METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


class Luggage:
    """Pure ASGI around doors that read bodies. Use it in one event loop."""

    def __init__(self, app: ASGIApp, most: int = MOST, *, hush: float = HUSH, whole: float = WHOLE) -> None:
        """`most` bytes, for all tenants together; `hush` and `whole` in seconds, for one body."""
        self.app, self._most, self._hush, self._whole = app, most, hush, whole
        self._held: Counter[str] = Counter()  # bytes, by tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on one request. Raises Limited, at once when the length that was declared does not fit now, and
        TooSlow."""
        if scope["type"] != "http" or scope["method"] not in METHODS:
            return await self.app(scope, receive, send)
        caller = scope.get(CALLER)
        tenant = caller.tenant if isinstance(caller, Caller) else ""
        declared = _declared(scope)
        if declared <= self._most // 2:  # what never fits is too large, and its door says so
            self._check(tenant, declared)
        scope[CAME], end = 0, asyncio.get_running_loop().time() + self._whole

        async def weighed() -> Message:
            message = await self._awaited(receive, end)
            more = len(message.get("body", b""))
            self._check(tenant, more)
            self._held[tenant] += more
            scope[CAME] += more
            return message

        try:
            await self.app(scope, weighed, send)
        finally:
            self._held[tenant] -= scope[CAME]
            if not self._held[tenant]:
                del self._held[tenant]

    async def _awaited(self, receive: Receive, end: float) -> Message:
        left = end - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._hush, left)):
                return await receive()
        except TimeoutError:
            raise TooSlow("The body did not come in time. Check the connection, and send the request again.") from None

    def _check(self, tenant: str, more: int) -> None:
        if more and (self._held[tenant] + more > self._most // 2 or self._held.total() + more > self._most):
            raise Limited("Too many large requests come in at once. Send this one again in a moment.", WAIT)


def _declared(scope: Scope) -> int:
    """The length that the request says it has, or 0. Nothing is held for it until it is there."""
    told = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(told) if told.isdigit() and len(told) < 19 else 0
