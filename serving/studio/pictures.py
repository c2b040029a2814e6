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
WEBP: Final = 1  # of 6 steps of effort: half the time of the usual 4, and an eighth more bytes at the same likeness
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
        self._tiles: list[Picture] = []

    def add(self, frames: Frames) -> None:
        """Takes the next frames."""
        for number, frame in enumerate(frames, self._seen):
            if self._first is None:
                self._first = frame.copy()
            if times := self._places[number]:
                self._tiles += [self._small(frame)] * times
        self._seen += len(frames)

    def files(self) -> dict[str, bytes]:
        """The first frame as WebP, and frames at even distances, left to right and top to bottom, as JPEG."""
        assert self._first is not None, "a film has a frame"
        width, height = self._side
        rows = np.stack(self._tiles).reshape(TILES, TILES, height, width, 3).swapaxes(1, 2)
        sheet = rows.reshape(TILES * height, TILES * width, 3)
        return {"thumbnail": _file(self._first, "webp", method=WEBP), "spritesheet": _file(sheet, "jpeg")}

    def _small(self, frame: Picture) -> Picture:
        if frame.shape[1::-1] == self._side:
            return frame.copy()  # or all frames that came with it would stay
        return np.asarray(Image.fromarray(frame).resize(self._side))


def _file(picture: Picture, form: str, **options: int) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    return file.getvalue()
