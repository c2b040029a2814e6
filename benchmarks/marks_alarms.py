"""How often a mark is seen where there is none: films without one, each under many keys."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import exp, lgamma, log
from typing import Final

import numpy as np

from benchmarks.marks_films import film
from model.clip import Film
from model.media import encode_film, read_film
from serving.media.marks import canvas, carrier, payload, watermark_sound
from serving.media.marks.canvas import CANVASES, contrast, seen, waves_of
from serving.media.marks.detect import FPS, Readings, readings
from serving.media.marks.payload import Chips, read_many
from serving.media.marks.watermark_sound import RATE, folded, moments
from serving.media.marks.watermark_video import MOST_READ

__all__ = ["FILMS", "Unmarked", "bound"]

FILMS: Final = 60  # that each key is tried on


@dataclass(frozen=True, slots=True)
class _Seen:
    """All of a film that depends on no key."""

    heights: tuple[Chips, ...]  # of the waves of each canvas
    folded: np.ndarray | None  # its sound; None where it is silent

    def readings(self, key: bytes) -> Readings:
        """As the detector has them."""
        pictures = [waves @ waves_of(each, key).secret for each, waves in zip(CANVASES, self.heights, strict=True)]
        return Readings(pictures, () if self.folded is None else moments(self.folded, key))


class Unmarked:
    """Films without a mark, as they are read from delivered bytes."""

    def __init__(self) -> None:
        self._films = [read_film(encode_film(film(n)[1]), fps=FPS, rate=RATE, cut=True) for n in range(FILMS)]
        self._seen = [_seen(each) for each in self._films]

    def alarms(self, number: int) -> int:
        """Films in which the key of this number finds a mark. The first key is also held to the detector's readings."""
        key = sha256(b"false alarm %d" % number).digest()
        said = [each.readings(key) for each in self._seen]
        if number == 0 and not all(map(_alike, said, (readings(each, key) for each in self._films))):
            raise AssertionError("The detector reads otherwise than this benchmark.")
        rows = [each.rows for each in said]
        reads = iter(read_many(key, np.concatenate(rows)))
        found = [each.found([next(reads) for _ in row]) for each, row in zip(said, rows, strict=True)]
        forget()
        return sum(each is not None for each in found)


def forget() -> None:
    """The directions of a key: a cell has one key, and a benchmark hundreds."""
    canvas._MADE.clear()
    for cache in (carrier.directions, watermark_sound._spectra, payload._scramble):
        cache.cache_clear()


def bound(alarms: int, pieces: int) -> float:
    """Upper end of the one-sided 95 % interval of a rate (Clopper and Pearson), by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if _at_most(alarms, pieces, rate) > 0.05 else (low, rate)
    return high


def _at_most(alarms: int, pieces: int, rate: float) -> float:
    """The chance of at most so many alarms."""
    ways = [lgamma(pieces + 1) - lgamma(k + 1) - lgamma(pieces - k + 1) for k in range(min(alarms, pieces) + 1)]
    return sum(exp(way + k * log(rate) + (pieces - k) * log(1 - rate)) for k, way in enumerate(ways))


def _seen(film: Film) -> _Seen:
    looks = [np.stack([contrast(each) for each in seen(film.frames, one.side, MOST_READ)]) for one in CANVASES]
    heights = tuple(waves_of(one, b"").heights(each).mean(0) for one, each in zip(CANVASES, looks, strict=True))
    return _Seen(heights, folded(film.sound, film.rate))


def _alike(one: Readings, other: Readings) -> bool:
    """Whether two readings are the same but for the last digits of sums in another order."""
    return one.rows.shape == other.rows.shape and bool(np.allclose(one.rows, other.rows, rtol=1e-3, atol=1e-3))
