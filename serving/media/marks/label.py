"""The visible label: two letters in a corner, for those who ask for it."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.clip import Frames, Size

__all__ = ["label"]

TEXT: Final = "AI"
SHARE: Final = 12  # the letters are one in so many parts of the shorter side high
LEAST: Final = 9  # pixels, below which nobody can read them


def label(frames: Frames) -> Frames:
    """The frames with a small label in the lower right corner: white letters on a dark, nearly opaque ground."""
    height, width = frames.shape[1:3]
    ink, cover = _drawn(Size(width, height))
    rows, columns = cover.shape
    labelled = frames.copy()
    corner = labelled[:, height - rows :, width - columns :]
    corner[:] = np.rint(corner * (1 - cover[..., None]) + ink[..., None] * cover[..., None])
    return labelled


def _drawn(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and cover 0..1 of the label's corner."""
    high = max(min(size.width, size.height) // SHARE, LEAST)
    font = ImageFont.load_default(high)
    left, top, right, bottom = font.getbbox(TEXT)
    edge = max(high // 4, 2)
    ground = (min(round(right - left) + 2 * edge, size.width), min(round(bottom - top) + 2 * edge, size.height))
    letters = Image.new("L", ground, 0)
    ImageDraw.Draw(letters).text((edge - left, edge - top), TEXT, fill=255, font=font)
    ink = np.asarray(letters, np.float32)
    return ink, 0.65 + 0.35 * ink / 255
