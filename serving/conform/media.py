"""Pictures and films that hold a canary: beside the pixels, where programs keep names, comments and places."""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from functools import cache

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from model.clip import Film
from model.media import encode_film
from serving.conform.canary import Canaries

__all__ = ["data_uri", "film", "picture"]


def picture(words: Canaries, where: str) -> bytes:
    """A PNG of 64x64 with a canary in a text chunk."""
    told = PngInfo()
    told.add_text("Comment", words.word(f"{where}, a picture's comment"))
    out = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(out, "PNG", pnginfo=told)
    return words.holds(out.getvalue(), f"{where}, a picture")


def film(words: Canaries, where: str) -> bytes:
    """An MP4 of one second with a canary in a free box."""
    word = words.word(f"{where}, a film's comment").encode()
    box = (8 + len(word)).to_bytes(4, "big") + b"free" + word
    return words.holds(_plain() + box, f"{where}, a film")


def data_uri(body: bytes, mime: str) -> str:
    """As JSON carries a file."""
    return f"data:{mime};base64,{base64.b64encode(body).decode()}"


@cache
def _plain() -> bytes:
    frames = np.full((8, 64, 64, 3), 60, np.uint8)
    for number, frame in enumerate(frames):
        frame[20:40, 4 + 5 * number : 20 + 5 * number] = 220
    sound = (0.2 * np.sin(np.arange(8_000) * 0.3)).astype(np.float32)
    return encode_film(Film(frames=frames, fps=Fraction(8), sound=sound, rate=8_000))
