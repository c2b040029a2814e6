"""Secret directions: what each chip of a watermark moves, in a space that sound and picture describe in their ways.

The directions are orthonormal and drawn from the cell's key by SHAKE-256, so that every machine draws the same.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray

from serving.media.marks.payload import CHIPS

__all__ = ["Directions", "directions"]

Directions = NDArray[np.float32]  # [dimensions, CHIPS], columns orthonormal


@lru_cache(maxsize=16)
def directions(key: bytes, name: str, dimensions: int) -> Directions:
    """CHIPS orthonormal directions in a space of at least as many dimensions; `name` keeps uses of one key apart."""
    drawn = shake_256(b"equerry/directions/1\0" + name.encode() + b"\0" + key).digest(dimensions * CHIPS * 4)
    even = np.frombuffer(drawn, "<u4").reshape(dimensions, CHIPS) / 2.0**32 - 0.5
    across, upper = np.linalg.qr(even)
    signed: Directions = (across * np.sign(np.diag(upper))).astype(np.float32)  # QR alone leaves the signs open
    return signed
