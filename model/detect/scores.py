"""How right a film is, as numbers: pure functions of what the detectors found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.clip import Frames
from model.world.scene import FPS

WITHIN: Final = 1 / FPS  # seconds between a contact and its sound
LAGS: Final = 3  # frames; a note lasts four, so more would be the note next to it
Z95: Final = 1.959964  # standard deviations that hold 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Lips:
    """How a mouth follows a voice."""

    lag: int  # frames by which the sound is late; 0 when the two have nothing in common
    correlation: float  # at that lag

    @property
    def in_sync(self) -> bool:
        """True when the mouth follows the voice within one frame."""
        return abs(self.lag) <= 1 and self.correlation > 0.5


def pairs(seen: Sequence[float], heard: Sequence[float], within: float = WITHIN) -> list[float]:
    """Seconds by which each sound is late after its contact; each is used once, nearest first."""
    near = sorted((abs(h - s), s, h) for s in seen for h in heard if abs(h - s) <= within + 1e-9)
    left, right, late = set(seen), set(heard), []
    for _, s, h in near:
        if s in left and h in right:
            left.remove(s)
            right.remove(h)
            late.append(h - s)
    return late


def lips(openness: NDArray[np.float32], loudness: NDArray[np.float32]) -> Lips:
    """Lag and correlation of a mouth's openness and a sound's envelope, one value a frame each.

    Both are compared over the whole film, so a larger lag, which leaves fewer frames to compare, must fit better.
    """
    a, b = openness - openness.mean(), loudness - loudness.mean()
    energy = float(np.sqrt((a**2).sum() * (b**2).sum()))
    if energy < 1e-6:
        return Lips(0, 0.0)
    lags = sorted(range(-LAGS, LAGS + 1), key=abs)
    n = len(a)
    found = [float(a[max(0, -k) : n - max(0, k)] @ b[max(0, k) : n + min(0, k)]) / energy for k in lags]
    best = int(np.argmax(np.round(found, 6)))
    return Lips(lags[best], found[best])


def psnr(one: Frames, other: Frames, mask: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, at most 60, over the pixels where the mask is True."""
    error = (one.astype(np.float32) - other.astype(np.float32)) ** 2
    chosen = error if mask is None else error[np.broadcast_to(mask, error.shape[:-1])]
    if not chosen.size:
        return 60.0
    return float(min(60.0, 10 * np.log10(255.0**2 / max(float(chosen.mean()), 1e-9))))


def interval(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    share, z = float(successes) / n, Z95**2 / n
    middle = (share + z / 2) / (1 + z)
    half = float(Z95 * np.sqrt(share * (1 - share) / n + z / (4 * n)) / (1 + z))
    return (max(0.0, middle - half) if successes else 0.0), (min(1.0, middle + half) if successes < n else 1.0)


def bootstrap(
    values: NDArray[Any], statistic: Callable[[NDArray[Any]], float] = np.mean, *, seed: int = 0, draws: int = 1_000
) -> tuple[float, float]:
    """95 % interval of a statistic of [n, ...] values, from samples of them with replacement."""
    if not len(values):
        return float("nan"), float("nan")
    picks = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile([statistic(values[pick]) for pick in picks], (0.025, 0.975))
    return float(low), float(high)
