"""What makes films, whichever way: tasks go in, chunks come out as they are done.

An engine works on many films at once, each at a phase of its own. A film's codes depend on its task alone: not on its
neighbours, nor on the engine, nor on how often it was taken up again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from model.generate import Codes, Order


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One film to decode."""

    job: str  # any name; no two tasks that an engine works on share one
    order: Order
    done: Codes | None = None  # chunks decoded by an earlier try, which follow `order.known`; none is decoded again
    salt: str = ""  # tasks share cached prefixes only with tasks of the same salt, for example those of one tenant

    @property
    def ready(self) -> int:
        """Chunks that are there before any is decoded."""
        return sum(len(codes.audio) for codes in (self.order.known, self.done) if codes is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """One chunk that has been decoded."""

    number: int  # in the film, counted from 0
    codes: Codes  # video [1, H, W] and audio [1, A]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What an engine does and has done."""

    running: int  # films
    waiting: int  # films
    slots: int  # drawn since the start
    steps: int  # since the start
    busy: float  # seconds spent in steps since the start
    cache_use: float | None  # share of the key-value cache in use; None where there is no paged cache
    restarts: int  # of what is inside, after a fault

    @property
    def slots_per_second(self) -> float:
        """While at work."""
        return self.slots / self.busy if self.busy else 0.0


class Engine(Protocol):
    """One suite of tests holds every engine to this."""

    def submit(self, task: Task) -> AsyncGenerator[Chunk, None]:
        """The chunks of a film that are still to be decoded, in order, each as soon as it is done.

        Raises Refused for a task that cannot be done, Stopped after `cancel`, Broken when the engine fails on this very
        film, and Unavailable when it fails as a whole or is closed; the last two leave what was handed out valid, so
        the film can be taken up again from there. Closing the iteration early (`aclose`) cancels.
        """

    async def cancel(self, job: str) -> None:
        """Ends a film within one step, and frees what it holds. A job that is not here is no error."""

    async def check(self) -> None:
        """Returns when the engine is ready for work; raises Unavailable when it never will be again."""

    def stats(self) -> Stats:
        """What it does now."""

    async def close(self) -> None:
        """Ends every film with Unavailable, and frees everything. Closing twice is no error."""
