"""Finds a cell's watermark in a film, however it was encoded since.

A reading counts when its check of 16 bits holds and it is LIKE the mark that it claims to be. How often that happens
without a mark is bounded, whatever is in the film: the code is linear and the cell's key scrambles it, so what chance
reads is each of the 2^64 words as often as any other, and passes the check once in 65,536 times, however like it is.
At most READINGS are tried of one film, six, so less than 1 in 10,000 films without a mark is taken for one with it,
before it is asked how like the reading is; benchmarks/marks.py counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from model.clip import Film
from model.media import read_film
from serving.media.marks.payload import Chips, Read, read_many
from serving.media.marks.watermark_sound import BEGINNINGS, RATE, read_sound
from serving.media.marks.watermark_video import read_frames

__all__ = ["LIKE", "READINGS", "Found", "Readings", "detect", "readings"]

LIKE: Final = 0.72  # of a reading with what it claims to be
FPS: Final = Fraction(8)  # frames per second that are looked at; the mark stands still
PICTURES: Final = 2  # readings of the picture, one for each canvas
READINGS: Final = PICTURES + BEGINNINGS  # of one film at most


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


@dataclass(frozen=True, slots=True)
class Readings:
    """What a film may say, a row of chips for each."""

    picture: Sequence[Chips]
    sound: Sequence[Chips]

    @property
    def rows(self) -> Chips:
        """All of them [readings, CHIPS]."""
        return np.stack([*self.picture, *self.sound])

    def found(self, reads: Sequence[Read | None]) -> Found | None:
        """The mark that they say, of what their rows were decoded to."""
        sure = [read if read is not None and read.likeness >= LIKE else None for read in reads]
        if not any(sure):
            return None
        pid = max((read for read in sure if read), key=lambda read: read.likeness).pid
        likeness = [read.likeness if read and read.pid == pid else 0.0 for read in sure]
        pictures = len(self.picture)
        return Found(
            pid=pid,
            picture=max(likeness[:pictures], default=0.0),
            sound=max(likeness[pictures:], default=0.0),
        )


def detect(film: Film | bytes, key: bytes) -> Found | None:
    """The mark that a cell with this key has put into a film, or None.

    Takes a film, or the bytes of an MP4, MOV, WebM, Matroska, AVI or GIF; raises model.errors.BadMedia when these
    cannot be read.
    """
    if isinstance(film, bytes):
        film = read_film(film, fps=FPS, rate=RATE, cut=True)
    said = readings(film, key)
    return said.found(read_many(key, said.rows))


def readings(film: Film, key: bytes) -> Readings:
    """What a film may say to a cell with this key."""
    return Readings(read_frames(film.frames, key), read_sound(film.sound, film.rate, key))
