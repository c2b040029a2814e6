"""A closed loop: so many askers, each of which asks for its next film when its last has ended.

That is what an engine under load sees. Films that begin together and are waited for together would leave it idle at
the end of each round, and flatter whichever way overlaps least. Askers begin a little apart and stay so, and what is
counted lies between two endings while all of them are at work: neither the start nor the end of a run counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter

from benchmarks.shares import Shares

__all__ = ["Lap", "Laps", "asked_steadily"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """So many films in a row, while others were in flight."""

    films: int
    seconds: float
    spent: Shares


@dataclass(slots=True, kw_only=True)
class Laps:
    """Counts films that end, and looks at clock and processor when a lap does."""

    ramp: int  # films that end before the first lap, at least 1
    films: int  # of a lap
    laps: int
    look: Callable[[], Shares]
    tell: Callable[[], None] = lambda: None  # a lap has ended
    clock: Callable[[], float] = perf_counter  # seconds
    ended: int = 0
    _marks: list[tuple[float, Shares]] = field(default_factory=list)

    def end(self) -> None:
        """A film has ended."""
        self.ended += 1
        over = self.ended - self.ramp
        if over >= 0 and over % self.films == 0 and not self.over:
            self._marks.append((self.clock(), self.look()))
            if over:
                self.tell()

    @property
    def over(self) -> bool:
        """Whether enough was seen."""
        return len(self._marks) > self.laps

    def seen(self) -> list[Lap]:
        """The laps, in order."""
        return [
            Lap(films=self.films, seconds=at - before, spent=spent.since(spent_before))
            for (before, spent_before), (at, spent) in pairwise(self._marks)
        ]


async def asked_steadily(
    one: Callable[[int], Awaitable[None]], askers: int, apart: float, go_on: Callable[[], bool]
) -> None:
    """`one` makes the film of a number. Askers begin `apart` seconds apart, and stop with the film in hand."""
    numbers = iter(range(2**31))
    async with asyncio.TaskGroup() as group:
        for place in range(askers):
            group.create_task(_ask(one, numbers, place * apart, go_on))


async def _ask(
    one: Callable[[int], Awaitable[None]], numbers: Iterator[int], wait: float, go_on: Callable[[], bool]
) -> None:
    await asyncio.sleep(wait)
    while go_on():
        await one(next(numbers))
