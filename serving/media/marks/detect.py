"""Finds a cell's watermark in a film, however it was encoded since.

A reading counts when its check of 16 bits holds and it is as like the mark that it claims to be as chance hardly ever
is. Six readings are tried of one film at most, two of the picture and four of the sound, so what is not marked passes
with a chance of 6 in 65,536 before the likeness is asked; `benchmarks/marks.py` measures what is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from model.clip import Film
from model.media import read_film
from serving.media.marks.payload import Chips, Read, read_chips
from serving.media.marks.watermark_sound import RATE, read_sound
from serving.media.marks.watermark_video import read_frames

__all__ = ["LIKE", "Found", "detect"]

LIKE: Final = 0.72  # of a reading with what it claims to be; 1 in 100 readings of chance comes so far, before its check
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
    seen = _readings(key, read_frames(film.frames, key))
    heard = _readings(key, read_sound(film.sound, film.rate, key))
    if not seen and not heard:
        return None
    pid = max((*seen, *heard), key=lambda each: each.likeness).pid
    return Found(pid=pid, picture=_likeness(seen, pid), sound=_likeness(heard, pid))


def _readings(key: bytes, chips: Iterable[Chips]) -> list[Read]:
    readings = (read_chips(key, each) for each in chips)
    return [each for each in readings if each is not None and each.likeness >= LIKE]


def _likeness(readings: Iterable[Read], pid: str) -> float:
    return max((each.likeness for each in readings if each.pid == pid), default=0.0)
