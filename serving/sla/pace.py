"""How fast a cell works, learnt from the films that it finished last. Pure.

Nothing is kept beside the usage rows: the newest few hundred say it all, are there after a restart, and are the same
for every gateway. A film's work comes from its layout; what a cell makes of it, rendering, marking and neighbours in
the batch included, is measured for each kind of film (mode and resolution).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

__all__ = ["Estimate", "Pace", "Sample", "learn"]

ENOUGH: Final = 3  # films of one kind, before they are believed more than all kinds together
LEAST_SPREAD, MOST_SPREAD, UNKNOWN_SPREAD = 0.02, 1.0, 0.25  # of an estimate, relative
TO_SIGMA: Final = 1.4826  # from the median absolute deviation of normal errors to their standard deviation
RATES: Final = (1e-12, 1e12)  # milliseconds for a unit of work; beyond is a mistake, not a speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One film that was finished."""

    kind: str
    work: int  # as in `Terms.work`
    hand_ms: int  # that a hand was busy with it
    patience_ms: int  # between its acceptance and the latest start that keeps its promise
    ordered: int  # when it was taken on; milliseconds since 1970
    done: int = 0  # when it was there; 0 when that was not told


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a film will keep one hand busy."""

    ms: int
    least_ms: int  # that it took the fastest tenth
    spread: float  # standard deviation, relative to `ms`


@dataclass(frozen=True, slots=True)
class _Rate:
    """Milliseconds for a unit of work."""

    middle: float
    least: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What has been learnt."""

    pooled: _Rate | None
    kinds: Mapping[str, _Rate] = field(default_factory=dict)

    def estimate(self, kind: str, work: int, first_ms: int) -> Estimate:
        """How long such a film will take; `first_ms` is what it is taken to take until anything was measured."""
        rate = self.kinds.get(kind, self.pooled)
        if rate is None:
            return Estimate(max(1, first_ms), 1, UNKNOWN_SPREAD)
        return Estimate(max(1, round(work * rate.middle)), max(1, round(work * rate.least)), rate.spread)


def learn(samples: Iterable[Sample]) -> Pace:
    """What these films say, in any order. A film that several studios shared says nothing."""
    told = [each for each in samples if each.work > 0 and each.hand_ms > 0]
    ratios: dict[str, list[float]] = defaultdict(list)
    for each in told:
        ratios[each.kind].append(min(max(each.hand_ms / each.work, RATES[0]), RATES[1]))
    pooled = [ratio for some in ratios.values() for ratio in some]
    return Pace(
        pooled=_rate(pooled) if pooled else None,
        kinds={kind: _rate(some) for kind, some in ratios.items() if len(some) >= ENOUGH},
    )


def _rate(ratios: Sequence[float]) -> _Rate:
    ordered = sorted(ratios)
    middle = median(ordered)
    off = TO_SIGMA * median(abs(ratio - middle) for ratio in ordered) / middle
    spread = off if len(ordered) >= ENOUGH else UNKNOWN_SPREAD
    return _Rate(middle, ordered[len(ordered) // 10], min(max(spread, LEAST_SPREAD), MOST_SPREAD))
