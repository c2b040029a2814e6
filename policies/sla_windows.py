"""How a service went, hour by hour: counts and a histogram, for one tenant in one region.

Windows hold no request and no person. They add up exactly (two windows of one hour, or the hours of a month, merge in
any order to what one tally of everything gives), so a statement can be checked against the log's `sla.window` entries.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from policies.errors import Refused
from policies.promises import Promise, Timing, kept
from policies.sla import MILLION, Availability, Rejection

__all__ = ["Bucket", "Outcome", "Place", "Window", "availability", "bucket_of", "merge", "percentile", "tally"]

HOUR_MS: Final = 3_600_000
INSIDE: Final = frozenset({Rejection.QUEUE_FULL, Rejection.UNAVAILABLE})  # ours to have served
BOUNDARY: Final = frozenset({Rejection.NO_COMPLIANT_REGION})


class Place(NamedTuple):
    """What one window is about."""

    tenant: str
    region: str
    hour: int  # hours since 1970-01-01 UTC, of acceptance


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one request ended: with a film and its timing, with a rejection, or with neither, which is a failure."""

    tenant: str
    region: str  # where it ran; for a rejection, the cell's own
    at: int  # milliseconds since 1970 UTC: when it was asked for
    promise: Promise | None = None
    timing: Timing | None = None
    rejection: Rejection | None = None

    def __post_init__(self) -> None:
        if self.timing is not None and (self.promise is None or self.rejection is not None):
            raise Refused("A request that gave a film had a promise and was not rejected.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One hour. `count` = `ok` + failed + all rejections, and `ok` is the sum of `histogram`."""

    count: int
    ok: int
    kept: int  # of `ok`: within the promised wait and time to video
    histogram: tuple[int, ...]  # films by time to video: up to each bound, and beyond the last
    rejections: Mapping[Rejection, int] = field(default_factory=dict)  # without zeros

    def entry(self, place: Place) -> dict[str, Any]:
        """The fields of the log's `sla.window` entry."""
        rejected = {str(reason): number for reason, number in sorted(self.rejections.items())}
        whole = {"ten": place.tenant, "region": place.region, "hour": place.hour}
        return {**whole, "count": self.count, "ok": self.ok, "hist": self.histogram, "rej": rejected}


class Bucket(NamedTuple):
    """The bounds between which a percentile lies: above `low`, at most `high`; None is without end. Milliseconds."""

    low: int
    high: int | None


def tally(outcomes: Iterable[Outcome], bounds_ms: Sequence[int]) -> dict[Place, Window]:
    """The windows of these outcomes. Their order does not matter, nor does a clock that jumps between them."""
    found: dict[Place, Window] = {}
    for outcome in outcomes:
        place = Place(outcome.tenant, outcome.region, outcome.at // HOUR_MS)
        one = _single(outcome, bounds_ms)
        found[place] = merge(found[place], one) if place in found else one
    return found


def merge(one: Window, other: Window) -> Window:
    """Both windows together. Raises Refused when their buckets differ."""
    if len(one.histogram) != len(other.histogram):
        raise Refused("These windows have different buckets, so they cannot be added. Use one SLA document for both.")
    return Window(
        count=one.count + other.count,
        ok=one.ok + other.ok,
        kept=one.kept + other.kept,
        histogram=tuple(map(sum, zip(one.histogram, other.histogram, strict=True))),
        rejections=dict(Counter(one.rejections) + Counter(other.rejections)),
    )


def percentile(window: Window, percent: int, bounds_ms: Sequence[int]) -> Bucket | None:
    """The bucket of the nearest-rank percentile of time to video; None when no film was made."""
    rank = -(-window.ok * percent // 100)
    for place, number in enumerate(window.histogram):
        rank -= number
        if rank <= 0 and window.ok:
            return Bucket(bounds_ms[place - 1] if place else 0, bounds_ms[place] if place < len(bounds_ms) else None)
    return None


def availability(window: Window) -> Availability:
    """What was reached, rounded down. A client's own mistakes count nowhere; without requests, nothing failed."""
    rejected = sum(window.rejections.values())
    failed = window.count - window.ok - rejected
    inside = window.ok + failed + sum(window.rejections.get(reason, 0) for reason in INSIDE)
    total = inside + sum(window.rejections.get(reason, 0) for reason in BOUNDARY)
    return Availability(inside=_part(window.ok, inside), total=_part(window.ok, total))


def bucket_of(video_ms: int, bounds_ms: Sequence[int]) -> int:
    """The place in the histogram of one time to video; a time on a bound belongs below it."""
    return bisect_left(bounds_ms, video_ms)


def _single(outcome: Outcome, bounds_ms: Sequence[int]) -> Window:
    timing, promised = outcome.timing, outcome.promise
    histogram = [0] * (len(bounds_ms) + 1)
    if timing is not None:
        histogram[bucket_of(timing.video_ms, bounds_ms)] = 1
    return Window(
        count=1,
        ok=int(timing is not None),
        kept=int(timing is not None and promised is not None and kept(promised, timing).whole),
        histogram=tuple(histogram),
        rejections={} if outcome.rejection is None else {outcome.rejection: 1},
    )


def _part(served: int, asked: int) -> int:
    return served * MILLION // asked if asked else MILLION
