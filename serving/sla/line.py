"""The line of a cell: who is being made, who waits, and when each is expected to begin. Pure.

So many hands take from one line, in the order in which the store lets jobs be claimed. What comes later and goes first
is the matter of `serving.sla.shares`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Sequence
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

    def starts(self) -> list[int]:
        """When each of the waiting will begin, in milliseconds from now."""
        return _begun(self._free(), self.waiting)

    def starts_with(self, place: int, cost_ms: int) -> tuple[list[int], list[int]]:
        """The same without and with a new job of this cost in that place. Up to there both are one."""
        free = self._free()
        ahead = _begun(free, self.waiting[:place])
        there, behind = list(free), self.waiting[place:]
        new = heapq.heapreplace(there, there[0] + cost_ms)
        return ahead + _begun(free, behind), [*ahead, new, *_begun(there, behind)]

    def _free(self) -> list[int]:
        """When each hand is free, as a heap."""
        hands = max(1, self.hands)  # of a line without hands: if one came now
        free = sorted([*self.busy_ms, *[0] * (hands - len(self.busy_ms))])
        return free[max(0, len(free) - hands) :]  # of more jobs than hands, the first to end free none

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


def _begun(free: list[int], waiting: Sequence[Waiting]) -> list[int]:
    """When each begins; `free` is the heap of hands, and goes on to the state behind the last."""
    return [heapq.heapreplace(free, free[0] + each.cost_ms) for each in waiting]


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
