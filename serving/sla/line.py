"""The line of a cell: who is being made, who waits, and when each is expected to begin. Pure.

So many hands take from one line, in the order in which the store lets jobs be claimed. What comes later and goes first
is the matter of `serving.sla.shares`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Everything that stands before a new job."""

    now: int
    hands: int  # jobs that are made at once
    busy_ms: Sequence[int]  # what is left of the jobs in hand
    waiting: Sequence[Waiting]  # as they will be claimed

    def place(self, due: int, priority: int = 0) -> int:
        """How many of the waiting are claimed before a new job with this due."""
        return bisect_right(self.waiting, (-priority, due, LAST, ""), key=lambda each: each[:4])

    def starts(self, place: int | None = None, cost_ms: int = 0) -> Iterator[int]:
        """When each of the waiting will begin, in milliseconds from now; with a new job of this cost in that place."""
        costs = [each.cost_ms for each in self.waiting]
        if place is not None:
            costs.insert(place, cost_ms)
        hands = max(1, self.hands)  # of a line without hands: if one came now
        free = sorted([*self.busy_ms, *[0] * (hands - len(self.busy_ms))])
        free = free[max(0, len(free) - hands) :]  # of more jobs than hands, the first to end free none
        for cost in costs:
            begin = free[0]
            yield begin
            heapq.heapreplace(free, begin + cost)

    def after(self, ms: int) -> Line:
        """The line so much later, if nobody came meanwhile."""
        begun = [(start, each) for start, each in zip(self.starts(), self.waiting, strict=True)]
        made = [start + each.cost_ms - ms for start, each in begun if start <= ms]
        return Line(
            now=self.now + ms,
            hands=self.hands,
            busy_ms=tuple(left for left in [*(busy - ms for busy in self.busy_ms), *made] if left > 0),
            waiting=tuple(each for start, each in begun if start > ms),
        )


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
