"""The way to the doors of the foreign dialects: few, known beforehand, and asked many times a second.

A framework's routing costs more than all else that a look at a film takes, since it tries one pattern after the other
and resolves dependencies that these doors do not have. Here a path is split once, and compared by its segments. What
has no door here goes on to the framework, which also describes what is described.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.dialects.caller import caller_of

__all__ = ["Door", "Doorway", "Opens"]

Opens = Callable[[Request], Awaitable[Response]]
NOWHERE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Door:
    """One endpoint. A segment of its path such as `{video}` takes any word, and names it."""

    path: tuple[str, ...]  # its segments
    methods: frozenset[str]
    opens: Opens
    keyed: bool = True  # whether a caller must have come past the gate; something else vouches for the others

    @classmethod
    def at(cls, path: str, methods: str, opens: Opens, *, keyed: bool = True) -> Door:
        """`methods` with spaces between them; GET brings HEAD along where it is not there beside POST, for clients that
        change things by it."""
        known = frozenset(methods.split())
        looks = frozenset({"HEAD"}) if "GET" in known and "POST" not in known else frozenset[str]()
        return cls(_split(path), known | looks, opens, keyed)

    def named(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """What the path names, or None when it leads elsewhere."""
        named = NOWHERE
        for mine, given in zip(self.path, segments, strict=True):
            if mine.startswith("{") and given:
                named = {**named, mine[1:-1]: given}
            elif mine != given:
                return None
        return named


class Doorway:
    """Pure ASGI. Each path is also served with a slash at its end: a redirect would lose the body."""

    def __init__(self, doors: Sequence[Door], beyond: ASGIApp) -> None:
        """Of two doors that fit, the first one opens."""
        self.beyond = beyond
        self._doors: dict[int, list[Door]] = {}  # by the number of segments
        for door in doors:
            self._doors.setdefault(len(door.path), []).append(door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Opens, or passes on. Raises HTTPException 405 where there are doors, and none for this method."""
        if scope["type"] != "http":
            return await self.beyond(scope, receive, send)
        segments = _split(scope["path"].removesuffix("/"))
        fits = [
            (door, named) for door in self._doors.get(len(segments), ()) if (named := door.named(segments)) is not None
        ]
        if not fits:
            return await self.beyond(scope, receive, send)
        for door, named in fits:
            if scope["method"] in door.methods:
                return await _open(door, named, scope, receive, send)
        allowed = sorted({method for door, _ in fits for method in door.methods})
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})


async def _open(door: Door, named: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    scope["path_params"] = named
    request = Request(scope, receive, send)
    if door.keyed:
        caller_of(request)
    response = await door.opens(request)
    await response(scope, receive, send)


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))
