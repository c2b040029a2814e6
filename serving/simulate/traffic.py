"""What clients ask for, and when: drawn beforehand, so that it does not depend on what cells answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from policies.clip_facts import Mode, Resolution
from serving.simulate.scenario import HOUR_MS, Scenario

__all__ = ["MIX", "SECONDS", "TIERS", "Traffic", "traffic"]

MIX: Final[dict[Mode, float]] = {Mode.T2V: 0.5, Mode.I2V: 0.3, Mode.R2V: 0.1, Mode.EDIT: 0.1}
TIERS: Final[dict[Resolution, float]] = {Resolution.P480: 0.3, Resolution.P720: 0.55, Resolution.P1080: 0.15}
SECONDS: Final[dict[int, float]] = {3: 0.2, 5: 0.5, 8: 0.15, 10: 0.1, 15: 0.05}
DAY_MS: Final = 24 * HOUR_MS
SWING: Final = 0.4  # of the mean rate, between day and night


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """All requests of one jurisdiction in order of time: columns of N."""

    at: NDArray[np.int64]  # milliseconds from the beginning
    tenant: NDArray[np.int32]
    mode: NDArray[np.int8]  # place in MIX
    tier: NDArray[np.int8]  # place in TIERS
    seconds: NDArray[np.int16]
    stray: NDArray[np.bool_]  # sent to a cell that the tenant may not use, if there is one
    luck: NDArray[np.float64]  # how much longer than expected the film takes, as a factor


def traffic(part: Scenario, lasts_ms: int) -> Traffic:
    """Requests over so many milliseconds: more by day than by night, and more in bursts."""
    rng = np.random.default_rng([part.seed, 3, *part.tenants[0].demands.home.encode()])
    count = part.requests
    shares = np.array([tenant.share for tenant in part.tenants])
    tenant = rng.choice(len(shares), count, p=shares / shares.sum())
    strays = np.array([each.stray for each in part.tenants])
    return Traffic(
        at=_times(rng, part, count, lasts_ms),
        tenant=tenant.astype(np.int32),
        mode=_drawn(rng, list(MIX.values()), count),
        tier=_drawn(rng, list(TIERS.values()), count),
        seconds=rng.choice(list(SECONDS), count, p=list(SECONDS.values())).astype(np.int16),
        stray=rng.random(count) < strays[tenant],
        luck=np.exp(rng.normal(0.0, 0.08, count)),
    )


def _drawn(rng: np.random.Generator, shares: list[float], count: int) -> NDArray[np.int8]:
    return rng.choice(len(shares), count, p=shares).astype(np.int8)


def _times(rng: np.random.Generator, part: Scenario, count: int, lasts_ms: int) -> NDArray[np.int64]:
    """By the inverse of the rate's integral, minute by minute."""
    minutes = np.arange(0, lasts_ms + 60_000, 60_000)
    rate = 1.0 + SWING * np.sin(2 * np.pi * minutes / DAY_MS)
    for burst in part.bursts:
        rate[(minutes >= burst.at_ms) & (minutes < burst.at_ms + burst.lasts_ms)] *= burst.times
    sums = np.concatenate([[0.0], np.cumsum(rate)])
    drawn = np.sort(rng.random(count)) * sums[-2]
    edges = np.concatenate([minutes, [minutes[-1] + 60_000]])
    return np.minimum(np.interp(drawn, sums, edges), lasts_ms).astype(np.int64)
