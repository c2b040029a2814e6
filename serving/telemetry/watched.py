"""A part with eyes on it: the same calls, each a span and a duration. The part itself knows nothing of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from policies.log.entry import Entry
from policies.log.writer import Receipt
from serving.gate import Pen
from serving.telemetry.allowed import CALLS
from serving.telemetry.eyes import Eyes, outcome_of

__all__ = ["Heard", "WatchedPen", "watched"]

Part = TypeVar("Part")
Heard = Callable[[str, object], None]  # a call's name and what it gave
WAITS: Final = frozenset({"wait_for_work", "wait_for_cancel", "now", "close", "rules", "bell", "read"})


def watched(part: Part, name: str, eyes: Eyes, heard: Heard = lambda _, __: None) -> Part:
    """`part`, which is the `store` or the `objects`, with its calls watched; `heard` gets what each of them gives.

    Calls that wait for something to happen, and streams, are passed on as they are.
    """
    return cast("Part", _Watched(part, name, eyes, heard))


class _Watched:
    """Stands for a part."""

    def __init__(self, part: object, name: str, eyes: Eyes, heard: Heard) -> None:
        self._part, self._name, self._eyes, self._heard = part, name, eyes, heard

    def __getattr__(self, call: str) -> Any:
        found = getattr(self._part, call)
        if call in WAITS or call not in CALLS[self._name]:
            return found
        wrapped = self._waiting(call, found) if inspect.iscoroutinefunction(found) else self._calling(call, found)
        setattr(self, call, wrapped)  # from here on it is found without this detour
        return wrapped

    def _calling(self, call: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*given: object, **named: object) -> Any:
            with _Timed(self._eyes, self._name, call):
                result = inner(*given, **named)
            self._heard(call, result)
            return result

        return outer

    def _waiting(self, call: str, inner: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def outer(*given: object, **named: object) -> Any:
            with _Timed(self._eyes, self._name, call):
                result = await inner(*given, **named)
            self._heard(call, result)
            return result

        return outer


class _Timed:
    """One call: a span and a duration."""

    def __init__(self, eyes: Eyes, part: str, call: str) -> None:
        self._eyes, self._part, self._call = eyes, part, call
        self._span = eyes.span(f"{part}.{call}")

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._span.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trail: Any) -> None:
        self._span.__exit__(kind, error, trail)
        took, outcome = perf_counter() - self._began, outcome_of(error)
        self._eyes.measure(f"equerry.{self._part}.duration", took, call=self._call, outcome=outcome)


class WatchedPen:
    """A pen of the residency log."""

    def __init__(self, pen: Pen, eyes: Eyes) -> None:
        self._pen, self._eyes = pen, eyes

    async def commit(self, entry: Entry) -> Receipt:
        """See `serving.gate.Pen`."""
        began = perf_counter()
        with self._eyes.span("log", entry=entry.KIND):
            receipt = await self._pen.commit(entry)
        self._eyes.measure("equerry.log.commit.duration", perf_counter() - began, entry=entry.KIND)
        return receipt
