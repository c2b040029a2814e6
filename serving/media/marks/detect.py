"""Finds a cell's watermark in a film, however it was encoded since.

A reading counts when its check of 16 bits holds and it is as like the mark that it claims to be as no chance is. At
most three readings are tried of one film, two of the picture and one of the sound, so what is not marked passes with a
chance of 3 in 65,536 at most, before the likeness is asked; `benchmarks/marks.py` measures the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from model.clip import Film
from model.media import read_film
from serving.media.marks.payload import Read, read_chips
from serving.media.marks.watermark_sound import RATE, read_sound
from serving.media.marks.watermark_video import read_frames

__all__ = ["LIKE", "Found", "detect"]

LIKE: Final = 0.70  # of a reading with what it claims to be; see `benchmarks/marks.py`
FPS: Final = Fraction(8)  # frames per second that are looked at; the mark stands still


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A mark of this cell."""

    pid: str  # 12 hexadecimal digits; see `payload.pid_of`
    picture: float  # likeness 0..1 of what the picture and
    sound: float  # the sound say; 0 where they say nothing, or something else that is less sure

    @property
    def likeness(self) -> float:
        """Of the surer of the two."""
        return max(self.picture, self.sound)


def detect(film: Film | bytes, key: bytes) -> Found | None:
    """The mark that a cell with this key has put into a film, or None.

    Takes a film, or the bytes of an MP4, MOV, WebM, Matroska, AVI or GIF; raises model.errors.BadMedia when these
    cannot be read.
    """
    if isinstance(film, bytes):
        film = read_film(film, fps=FPS, rate=RATE, cut=True)
    seen = [_read(key, chips) for chips in read_frames(film.frames, key)]
    heard = _read(key, read_sound(film.sound, film.rate, key))
    readings = [each for each in (*seen, heard) if each is not None]
    if not readings:
        return None
    pid = max(readings, key=lambda each: each.likeness).pid
    picture = max((each.likeness for each in seen if each is not None and each.pid == pid), default=0.0)
    return Found(pid=pid, picture=picture, sound=heard.likeness if heard is not None and heard.pid == pid else 0.0)


def _read(key: bytes, chips: object) -> Read | None:
    read = None if chips is None else read_chips(key, chips)  # type: ignore[arg-type]
    return read if read is not None and read.likeness >= LIKE else None
