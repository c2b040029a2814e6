"""Sizes as the dialects spell them: WxH, W*H, or a resolution with a ratio.

Every notation ends in the exact width and height of the film that is delivered. Where a vendor documents no pixels for
a ratio, the size here keeps the area of the tier, in multiples of 16.
"""

from __future__ import annotations

import math
import re
from typing import Final

from model.clip import Size
from serving.dialects.fields import shown
from serving.errors import BadField

__all__ = ["RATIOS", "TIERS", "bucket", "check", "following", "ratio_of", "read_size", "tier_of"]

LEAST_SIDE: Final = 32  # pixels
MOST_SIDE: Final = 2_208  # pixels: 21:9 at 1080P
#: Pixels of 16:9 in each tier; a size belongs to the tier whose area is nearest.
TIERS: Final = {480: 832 * 480, 720: 1280 * 720, 1080: 1920 * 1080}
_LYING: Final = {
    "16:9": {480: (832, 480), 720: (1280, 720), 1080: (1920, 1080)},
    "1:1": {480: (624, 624), 720: (960, 960), 1080: (1440, 1440)},
    "4:3": {480: (720, 544), 720: (1104, 832), 1080: (1664, 1248)},
    "5:4": {480: (704, 560), 720: (1072, 864), 1080: (1600, 1280)},
    "21:9": {480: (976, 416), 720: (1456, 624), 1080: (2208, 944)},
}
#: Lying or upright, in the order in which the documentation names them.
RATIOS: Final = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9")
_SIZE: Final = re.compile(r"\s*([0-9]{1,5})\s*[xX*×]\s*([0-9]{1,5})\s*")


def read_size(value: str, field: str = "size") -> Size:
    """A size from WxH, WXH, W*H or W×H. Raises BadField."""
    found = _SIZE.fullmatch(value)
    if found is None:
        raise BadField(field, f"{field} is {shown(value)}. Write width and height in pixels, such as 1280x720.")
    return check(Size(int(found[1]), int(found[2])), field)


def check(size: Size, field: str = "size") -> Size:
    """The same size, when a film can have it. Raises BadField."""
    if not all(LEAST_SIDE <= side <= MOST_SIDE and side % 2 == 0 for side in (size.width, size.height)):
        raise BadField(field, f"{field} is {size}. Ask for even sides from {LEAST_SIDE} to {MOST_SIDE} pixels.")
    return size


def bucket(tier: int, ratio: str) -> Size:
    """Pixels of a tier (480, 720, 1080) in one of RATIOS."""
    if ratio in _LYING:
        return Size(*_LYING[ratio][tier])
    width, _, height = ratio.partition(":")
    long, short = _LYING[f"{height}:{width}"][tier]
    return Size(short, long)


def following(shape: Size, tier: int | None) -> Size:
    """The size of a film that follows a picture: its shape at the area of a tier, or its own pixels without one.

    Sides are multiples of 2 within the bounds, so a very long shape loses some of its length.
    """
    scale = math.sqrt(TIERS[tier] / (shape.width * shape.height)) if tier else 1.0
    return Size(_even(shape.width * scale), _even(shape.height * scale))


def _even(side: float) -> int:
    return min(MOST_SIDE, max(LEAST_SIDE, round(side / 2) * 2))


def tier_of(size: Size) -> int:
    """480, 720 or 1080, whichever is nearest in area."""
    area = size.width * size.height
    return min(TIERS, key=lambda tier: abs(math.log(area / TIERS[tier])))


def ratio_of(size: Size) -> str:
    """The nearest of RATIOS in shape."""
    return min(RATIOS, key=lambda ratio: abs(math.log(size.width / size.height) - math.log(_shape(ratio))))


def _shape(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)
