"""What others may do to a small film, done to single frames beforehand: half the size, coarsely quantised.

How a mark fares in a still of half the size, whose cosines are rounded to one coarse step in squares of eight as JPEG
does it, says how it fares when the film is encoded in H.264 at CRF 35 or halved, and is found in a hundredth of the
time. How the two go together is measured; see docs/decisions/2026-11-21-how-strongly-a-small-film-is-marked.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.media.marks.canvas import Plane

__all__ = ["worn"]

STEP: Final = 40  # levels of every coefficient
BLOCK: Final = 8  # pixels of a side of JPEG's blocks


def worn(greys: Sequence[Plane]) -> Plane:
    """Frames of grey levels [height, width] of one size after that, half as large, as whole levels 0..255."""
    small = np.stack([_half(grey) for grey in greys]).astype(np.float32)
    frames, height, width = small.shape
    whole = np.pad(small, ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK)), "edge")
    down, across = whole.shape[1] // BLOCK, whole.shape[2] // BLOCK
    blocks = whole.reshape(frames, down, BLOCK, across, BLOCK).swapaxes(2, 3).reshape(-1, BLOCK * BLOCK) - 128
    rounded = np.rint(blocks @ _cosines().T * np.float32(1 / STEP)) @ (_cosines() * STEP)
    back = rounded.reshape(frames, down, across, BLOCK, BLOCK).swapaxes(2, 3).reshape(whole.shape)[:, :height, :width]
    levels: Plane = np.clip(np.rint(back) + 128, 0, 255)
    return levels


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """The cosines of a square of eight, a row for each pair of waves [64, 64], orthonormal."""
    waves = np.arange(BLOCK)
    rows = np.cos(np.pi * waves[:, None] * (waves + 0.5) / BLOCK) * np.sqrt(2 / BLOCK)
    rows[0] /= np.sqrt(2)
    return np.kron(rows, rows).astype(np.float32)


def _half(grey: Plane) -> NDArray[np.uint8]:
    height, width = grey.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    whole = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    return np.asarray(whole.resize(half, Image.Resampling.LANCZOS))
