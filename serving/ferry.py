"""Carries what coroutines ask of blocking code to threads, and takes along all that waits at the pier.

A thread of its own for each call costs more than a short call itself, since threads of one interpreter take turns. And
calls that cross together can share what is dear: the submits of one crossing are one durable transaction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from serving.errors import Unavailable

__all__ = ["Ferry", "one_by_one"]

Passenger = TypeVar("Passenger")
Answer = TypeVar("Answer")
MOST = 10_000  # that wait at the pier; each belongs to a request that waits too
ROOM = 256  # of one boat


class Ferry(Generic[Passenger, Answer]):
    """Use it in one event loop. `carry` gets passengers in a thread, and gives each an answer or an error, in order."""

    def __init__(
        self, carry: Callable[[Sequence[Passenger]], Sequence[Answer | Exception]], *, name: str, boats: int = 1
    ) -> None:
        """`boats` is how many crossings there may be at once."""
        self._carry = carry
        self._threads = ThreadPoolExecutor(boats, thread_name_prefix=name)
        self._moored = boats
        self._pier: deque[tuple[Passenger, asyncio.Future[Answer]]] = deque()

    async def cross(self, passenger: Passenger) -> Answer:
        """What `carry` gives for it. Raises its error, and Unavailable when too many wait."""
        if len(self._pier) >= MOST:
            raise Unavailable("Too many requests wait for the store. Try again in a moment.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._pier.append((passenger, answer))
        if self._moored:
            self._moored -= 1
            loop.call_soon(self._depart)  # after all who come in this turn of the loop
        return await answer

    def _depart(self) -> None:
        aboard = [self._pier.popleft() for _ in range(min(ROOM, len(self._pier)))]
        if not aboard:
            self._moored += 1
            return
        trip = asyncio.get_running_loop().run_in_executor(self._threads, self._carry, [who for who, _ in aboard])
        trip.add_done_callback(lambda done: self._land(done, [answer for _, answer in aboard]))

    def _land(
        self, trip: asyncio.Future[Sequence[Answer | Exception]], answers: Sequence[asyncio.Future[Answer]]
    ) -> None:
        error = trip.exception()
        found = trip.result() if error is None else [error] * len(answers)
        for answer, told in zip(answers, found, strict=True):
            if answer.done():  # whoever asked has gone
                continue
            if isinstance(told, BaseException):
                answer.set_exception(told)
            else:
                answer.set_result(told)
        self._depart()


def one_by_one(calls: Sequence[Callable[[], Answer]]) -> Sequence[Answer | Exception]:
    """The answer or the error of each call, one after the other: a `carry` for calls that are short."""
    return [_made(call) for call in calls]


def _made(call: Callable[[], Answer]) -> Answer | Exception:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - it is raised again where it was asked for
        return error
