"""Small pictures of a film, for people who choose before they watch."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from model.clip import Film

__all__ = ["MIMES", "pictures"]

#: What can be had of a film, and as what.
MIMES: Final = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
TILES: Final = 4  # a side of the sheet
MOST_SIDE: Final = 320  # pixels of one tile


def pictures(film: Film) -> dict[str, bytes]:
    """The first frame as WebP, and frames at even distances, left to right and top to bottom, as JPEG."""
    places = np.linspace(0, len(film.frames) - 1, TILES * TILES).round().astype(int)
    size = film.size
    scale = min(1.0, MOST_SIDE / max(size.width, size.height))
    side = (max(1, round(size.width * scale)), max(1, round(size.height * scale)))
    sheet = Image.new("RGB", (TILES * side[0], TILES * side[1]))
    for number, place in enumerate(places):
        tile = Image.fromarray(film.frames[place]).resize(side)
        sheet.paste(tile, (number % TILES * side[0], number // TILES * side[1]))
    return {"thumbnail": _file(Image.fromarray(film.frames[0]), "webp"), "spritesheet": _file(sheet, "jpeg")}


def _file(picture: Image.Image, form: str) -> bytes:
    file = BytesIO()
    picture.save(file, form)
    return file.getvalue()
