"""What of a clip decides its price and its promise: how it is made, how large, how long. Nothing of what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies.errors import Refused

__all__ = ["ClipFacts", "Mode", "Resolution", "resolution_of"]

MOST_MS: Final = 3_600_000  # an hour; far beyond what any model here makes
MOST_SIDE: Final = 65_536  # pixels


class Mode(StrEnum):
    """What a clip is made from. Prices and promises use the same words as requests."""

    T2V = "t2v"
    I2V = "i2v"
    R2V = "r2v"
    EDIT = "edit"
    EXTEND = "extend"


class Resolution(StrEnum):
    """A tier of sizes, by the lines that a landscape film of it has."""

    P480 = "480p"
    P720 = "720p"
    P1080 = "1080p"


AREAS: Final = {Resolution.P480: 832 * 480, Resolution.P720: 1280 * 720, Resolution.P1080: 1920 * 1080}  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """A clip as the price book and the SLA see it. Lengths in milliseconds."""

    mode: Mode
    resolution: Resolution
    output_ms: int  # of the film that is delivered
    input_ms: int = 0  # of the film that is edited or extended

    def __post_init__(self) -> None:
        if not 0 < self.output_ms <= MOST_MS or not 0 <= self.input_ms <= MOST_MS:
            raise Refused(f"A clip lasts more than 0 and at most {MOST_MS // 1000:,} s, and so does its source.")


def resolution_of(width: int, height: int) -> Resolution:
    """The tier whose area is nearest; of two that are equally near, the smaller, which is cheaper. In pixels."""
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise Refused(f"A film has from 1 to {MOST_SIDE:,} pixels on each side, not {width} by {height}.")
    return min(AREAS, key=lambda tier: (abs(AREAS[tier] - width * height), AREAS[tier]))
