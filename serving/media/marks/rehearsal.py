"""What others may do to a small film, done to single frames beforehand: half the size, coarsely quantised.

How a mark fares in a still of half the size, in JPEG of one coarse step, says how it fares when the film is encoded in
H.264 at CRF 35 or halved, and is found in a quarter of a millisecond instead of six. How the two go together is
measured; see docs/decisions/2026-11-21-how-strongly-a-small-film-is-marked.md.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image

from serving.media.marks.canvas import Plane

__all__ = ["worn"]

STEP: Final = 40  # levels of every coefficient


def worn(grey: Plane) -> Image.Image:
    """A frame of grey levels [height, width] after that, as a picture of half its size."""
    height, width = grey.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    small = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).resize(half, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "jpeg", qtables=[[STEP] * 64])
    return Image.open(out, formats=("JPEG",))
