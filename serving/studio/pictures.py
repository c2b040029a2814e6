"""Small pictures of a film, for people who choose before they watch."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from model.clip import Frames, Picture, Size

__all__ = ["MIMES", "Pictures"]

#: What can be had of a film, and as what.
MIMES: Final = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
TILES: Final = 4  # a side of the sheet
MOST_SIDE: Final = 320  # pixels of one tile


class Pictures:
    """Takes them from the frames as they come, and keeps no other frame."""

    def __init__(self, size: Size, frames: int) -> None:
        """A film of so many frames."""
        scale = min(1.0, MOST_SIDE / max(size.width, size.height))
        self._side = (max(1, round(size.width * scale)), max(1, round(size.height * scale)))
        places = np.linspace(0, frames - 1, TILES * TILES).round().astype(int)
        self._places = Counter(places.tolist())
        self._seen = 0
        self._first: Picture | None = None
        self._tiles: list[Image.Image] = []

    def add(self, frames: Frames) -> None:
        """Takes the next frames."""
        for number, frame in enumerate(frames, self._seen):
            if self._first is None:
                self._first = frame.copy()
            if times := self._places[number]:
                self._tiles += [Image.fromarray(frame).resize(self._side)] * times
        self._seen += len(frames)

    def files(self) -> dict[str, bytes]:
        """The first frame as WebP, and frames at even distances, left to right and top to bottom, as JPEG."""
        assert self._first is not None, "a film has a frame"
        sheet = Image.new("RGB", (TILES * self._side[0], TILES * self._side[1]))
        for number, tile in enumerate(self._tiles):
            sheet.paste(tile, (number % TILES * self._side[0], number // TILES * self._side[1]))
        return {"thumbnail": _file(Image.fromarray(self._first), "webp"), "spritesheet": _file(sheet, "jpeg")}


def _file(picture: Image.Image, form: str) -> bytes:
    file = BytesIO()
    picture.save(file, form)
    return file.getvalue()
