"""What others may do to a small film, done to single frames beforehand: half the size, coarsely quantised.

How a mark fares in a still of half the size, in JPEG of one coarse step, says how it fares when the film is encoded in
H.264 at CRF 35 or halved, and is found in a quarter of a millisecond instead of six. Frames lie below each other in one
JPEG, whose blocks know nothing of each other: most of the time goes into beginning one. How the two go together is
measured; see docs/decisions/2026-11-21-how-strongly-a-small-film-is-marked.md.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from serving.media.marks.canvas import Plane

__all__ = ["worn"]

STEP: Final = 40  # levels of every coefficient
BLOCK: Final = 8  # pixels of a side of JPEG's blocks


def worn(greys: Sequence[Plane]) -> list[Image.Image]:
    """Frames of grey levels [height, width] of one size after that, as pictures of half their size."""
    small = [_half(grey) for grey in greys]
    width, height = small[0].size
    pitch = height + -height % BLOCK
    tall = np.concatenate([np.pad(np.asarray(each), ((0, pitch - height), (0, 0)), "edge") for each in small])
    out = io.BytesIO()
    Image.fromarray(tall).save(out, "jpeg", qtables=[[STEP] * 64])
    whole = Image.open(out, formats=("JPEG",))
    return [whole.crop((0, top, width, top + height)) for top in range(0, pitch * len(small), pitch)]


def _half(grey: Plane) -> Image.Image:
    height, width = grey.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).resize(half, Image.Resampling.LANCZOS)
