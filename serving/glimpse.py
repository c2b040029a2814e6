"""A long line as it was seen a moment ago: how many jobs wait before a job, without asking the store for each.

To look at a line costs as much as it is long. A short one is therefore never kept, see `serving.lookout`; of a long one
a place that is a quarter of a second old is as good as a new one. What a job's state is never comes from here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from serving.jobs.accounts import InHand, InLine
from serving.jobs.job import Job
from serving.jobs.records import Ahead
from serving.sla.line import LAST

__all__ = ["Glimpse", "glimpse_of"]

Place = tuple[int, int, int, str]  # sorts as jobs are claimed


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The line at one moment."""

    places: Sequence[Place]
    before_ms: Sequence[int]  # engine time of all before each place, and of the whole line at the end
    running_ms: int  # that is left of the jobs in hand
    whole: bool  # whether these were all

    def ahead(self, job: Job) -> Ahead | None:
        """What was before this job, which may have come later; None when it is behind all that was looked at."""
        place = bisect_left(self.places, place_of(job))
        if place == len(self.places) and not self.whole:
            return None
        return Ahead(jobs=place, work_ms=self.before_ms[place] + self.running_ms)


def place_of(job: Job) -> Place:
    """Where a queued job belongs."""
    due = job.deadline if job.due is None else job.due
    return -job.priority, LAST if due is None else due, job.created, job.id


def glimpse_of(made: Sequence[InHand], waiting: Sequence[InLine], most: int) -> Glimpse:
    """Of what `store.line(most)` has told."""
    return Glimpse(
        [(-each.priority, LAST if each.due is None else each.due, each.created, each.id) for each in waiting],
        [0, *accumulate(each.left_ms for each in waiting)],
        sum(each.left_ms for each in made),
        len(waiting) < most,
    )
