"""The line of a cell: who is being made, who waits, and when each is expected to begin. Pure.

So many hands take from one line, in the order in which the store lets jobs be claimed. What comes later and goes first
is the matter of `serving.sla.shares`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import Final, NamedTuple

from serving.jobs.accounts import InHand, InLine

__all__ = ["Line", "Waiting", "line_of"]

LAST: Final = 2**62  # of a job that is due at no time


class Waiting(NamedTuple):
    """One job of the line; sorts as jobs are claimed."""

    rank: int  # minus its priority
    due: int  # latest start that keeps its promise; milliseconds since 1970
    created: int
    id: str
    cost_ms: int


@dataclass(frozen=True, kw_only=True)  # no slots: what is reckoned from it is kept in it
class Line:
    """Everything that stands before a new job."""

    now: int
    hands: int  # jobs that are made at once
    busy_ms: Sequence[int]  # what is left of the jobs in hand
    waiting: Sequence[Waiting]  # as they will be claimed

    def place(self, due: int, priority: int = 0) -> int:
        """How many of the waiting are claimed before a new job with this due."""
        return bisect_right(self.waiting, (-priority, due, LAST, ""), key=lambda each: each[:4])

    @cached_property
    def costs(self) -> list[int]:
        """Of the waiting, in milliseconds of one hand."""
        return [each.cost_ms for each in self.waiting]

    @cached_property
    def squares(self) -> list[int]:
        """Of these costs, added up: of the first n, for n from 0 on."""
        return list(accumulate(map(mul, self.costs, self.costs), initial=0))

    @cached_property
    def starts(self) -> list[int]:
        """When each of the waiting will begin, in milliseconds from now; nobody before the one ahead."""
        return _begun(self._free(), self.costs)

    @property
    def idle(self) -> int:
        """When all of it will have been made, in milliseconds from now."""
        return max([0, *self.busy_ms, *(start + cost for start, cost in zip(self.starts, self.costs, strict=True))])

    def starts_with(self, place: int, cost_ms: int) -> list[int]:
        """The same with a new job of this cost in that place."""
        return _begun(self._free(), [*self.costs[:place], cost_ms, *self.costs[place:]])

    def _free(self) -> list[int]:
        """When each hand is free, as a heap."""
        hands = max(1, self.hands)  # of a line without hands: if one came now
        free = sorted([*self.busy_ms, *[0] * (hands - len(self.busy_ms))])
        return free[max(0, len(free) - hands) :]  # of more jobs than hands, the first to end free none

    def after(self, ms: int) -> Line:
        """The line so much later, if nobody came meanwhile."""
        begun = bisect_right(self.starts, ms)
        made = [start + cost for start, cost in zip(self.starts[:begun], self.costs, strict=False)]
        return Line(
            now=self.now + ms,
            hands=self.hands,
            busy_ms=tuple(end - ms for end in (*self.busy_ms, *made) if end > ms),
            waiting=self.waiting[begun:],
        )


def _begun(free: list[int], costs: Sequence[int]) -> list[int]:
    """When each begins; `free` is the heap of hands, and goes on to the state behind the last."""
    return [heapq.heapreplace(free, free[0] + cost) for cost in costs]


def line_of(now: int, hands: int, made: Sequence[InHand], waiting: Sequence[InLine]) -> Line:
    """The line as the store tells it."""
    return Line(
        now=now,
        hands=hands,
        busy_ms=tuple(left_of(each) for each in made),
        waiting=tuple(
            Waiting(-each.priority, LAST if each.due is None else each.due, each.created, each.id, each.left_ms)
            for each in waiting
        ),
    )


def left_of(job: InHand) -> int:
    """What is left of a job in hand: by the clock, or by its chunks when the clock says that it should be done."""
    return max(0, job.estimated_ms - job.worked_ms, min(job.left_ms, job.estimated_ms // 4))
