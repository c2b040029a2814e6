"""How many studios the work in the store is worth. Pure: Ray's controller calls it with what studios last reported.

The measure is seconds of work, not jobs: a film of fifteen seconds in full size is not a film of one second in small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Context", "Scaling", "wanted"]


class Context(Protocol):
    """As much of Ray Serve's AutoscalingContext as is read."""

    @property
    def target_num_replicas(self) -> int:
        """Studios that are wanted now."""

    @property
    def capacity_adjusted_min_replicas(self) -> int:
        """The fewest there may be."""

    @property
    def capacity_adjusted_max_replicas(self) -> int:
        """The most there may be."""

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Any, float]] | None:
        """By name and studio, what `Bench.record_autoscaling_stats` said of late."""


def wanted(work_s: float, jobs: float, *, wait_s: float, least: int, most: int) -> int:
    """Studios that finish `work_s` seconds of work within `wait_s`; never more than there are jobs."""
    enough = math.ceil(min(work_s / wait_s, jobs))
    return max(least, min(most, enough))


class Scaling:
    """Ray Serve's policy; `wait_s` comes from the settings."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    def __call__(self, context: Context) -> tuple[int, dict[str, Any]]:
        """The number of studios, and nothing to remember. Silence changes nothing."""
        told = context.aggregated_metrics or {}
        work, jobs = told.get("work_s"), told.get("jobs")
        if not work or not jobs:
            return context.target_num_replicas, {}
        least, most = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
        return wanted(max(work.values()), max(jobs.values()), wait_s=self.wait_s, least=least, most=most), {}
