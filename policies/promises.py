"""What a class of service promises for one clip, whether it was kept, and where a request may wait. Pure.

One rule has no exception: without compliant capacity a request waits or is refused; it never spills over to another
region. `seat` is that rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.clip_facts import ClipFacts
from policies.sla import Rejection, Service

__all__ = ["Kept", "Promise", "Run", "Timing", "kept", "promise", "seat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a client may expect for one clip, in so many of a hundred cases."""

    service: str
    percentile: int
    queue_wait_ms: int
    video_ms: int  # from acceptance to the film, the wait included


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How it went, in milliseconds from acceptance. Measured by a clock that is never set back."""

    waited_ms: int
    video_ms: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Which parts of a promise were kept."""

    wait: bool
    video: bool

    def __bool__(self) -> bool:
        raise TypeError("A promise has two parts: ask for .wait, .video, or .whole.")

    @property
    def whole(self) -> bool:
        """Both parts."""
        return self.wait and self.video


def promise(service: Service, clip: ClipFacts) -> Promise:
    """What a class promises for a clip. A second that has begun counts as a whole one; a source counts too."""
    time = next(time for time in service.video if time.resolution is clip.resolution)
    seconds = -(-(clip.output_ms + clip.input_ms) // 1000)
    return Promise(
        service=service.name,
        percentile=service.percentile,
        queue_wait_ms=service.queue_wait_ms,
        video_ms=service.queue_wait_ms + time.base_ms + seconds * time.per_second_ms,
    )


def kept(promised: Promise, timing: Timing) -> Kept:
    """Whether it went as promised; exactly on time is in time."""
    return Kept(timing.waited_ms <= promised.queue_wait_ms, timing.video_ms <= promised.video_ms)


@dataclass(frozen=True, slots=True)
class Run:
    """Where a request goes, and how long it is expected to wait there."""

    region: str
    wait_ms: int


def seat(eligible: Sequence[str], waits_ms: Mapping[str, int], promised: Promise) -> Run | Rejection:
    """The shortest queue among the eligible regions, or why the request is refused. No other region is looked at.

    `waits_ms` holds the expected wait of each region that has capacity. Of equal waits, the region that comes first.
    """
    open_to_it = [(waits_ms[region], region) for region in eligible if region in waits_ms]
    if not open_to_it:
        return Rejection.NO_COMPLIANT_REGION
    wait, region = min(open_to_it, key=lambda each: each[0])
    return Run(region, wait) if wait <= promised.queue_wait_ms else Rejection.QUEUE_FULL
