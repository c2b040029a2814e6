"""A film as the picture's mark sees it: frames on a small canvas, and how far each point stands out there.

What may surprise:

* A point is compared with those around it that are much like it, and the difference is divided by the contrast there.
  So the edge of a body hardly counts, and texture hides more of a pattern than a flat wall, in both senses.
* The frame is seen on a canvas of fixed size, so half the size is the same picture. Small films have room for coarse
  waves only: they use another canvas, and the reader tries both. A crop moves everything and breaks the mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.clip import Frames, Picture
from serving.media.marks.carrier import Directions, directions
from serving.media.marks.payload import Chips

__all__ = [
    "CALM",
    "CANVASES",
    "PLACES",
    "Canvas",
    "Kin",
    "Plane",
    "Waves",
    "around",
    "contrast",
    "grey_of",
    "on_canvas",
    "scale_of",
    "seen",
    "spread",
    "waves_of",
]

Plane = NDArray[np.float32]  # [side, side] or [frames, side, side], levels of luma 0..255

CALM: Final = 4.0  # levels of contrast that count as none: film grain, and what encoders leave
ALIKE: Final = 16.0  # levels by which points of one surface may differ
ROUGH: Final = 3.0  # the same in a film without flat surfaces, as a multiple of how much it varies
PLACES: Final = 16  # around a point, with which it is compared
_NOTHING: Final = np.float32(0)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A frame as the mark sees it: side x side, and the waves (half periods across it) that carry chips."""

    side: int
    low: int
    high: int
    margin: float  # what each chip is to read, in units of the contrast around it
    most: float  # levels that the pattern may move a flat wall
    seconds: int  # for which one pattern stands: a large film is let go while it is made
    looks: int  # frames of these seconds at which the writer looks


CANVASES: Final = (Canvas(64, 4, 15, 2.6, 7.0, 3, 3), Canvas(128, 8, 40, 2.6, 4.0, 1, 2))


@dataclass(frozen=True)
class Waves:
    """A canvas with its secret directions."""

    canvas: Canvas
    key: bytes

    @cached_property
    def basis(self) -> NDArray[np.float32]:
        """Cosines [high + 1, side], orthonormal (DCT-II)."""
        side, waves = self.canvas.side, np.arange(self.canvas.high + 1)
        rows = np.cos(np.pi * waves[:, None] * (np.arange(side) + 0.5) / side) * np.sqrt(2 / side)
        rows[0] /= np.sqrt(2)
        basis: NDArray[np.float32] = rows.astype(np.float32)
        return basis

    @cached_property
    def ring(self) -> NDArray[np.intp]:
        """Which pairs of waves carry chips, as places in the square of all pairs."""
        waves = np.arange(self.canvas.high + 1)
        radius = np.hypot(waves[:, None], waves)
        ring: NDArray[np.intp] = np.flatnonzero((radius >= self.canvas.low) & (radius <= self.canvas.high))
        return ring

    @cached_property
    def secret(self) -> Directions:
        """What each chip moves: [waves of the ring, CHIPS]."""
        return directions(self.key, f"picture/{self.canvas.side}", len(self.ring))

    def read(self, frames: Plane) -> Chips:
        """Chips [frames, CHIPS] of frames on the canvas."""
        return self.chips(np.stack([contrast(frame) for frame in frames]))

    def chips(self, contrast: Plane) -> Chips:
        """Chips [..., CHIPS] of contrasts [..., side, side]."""
        chips: Chips = self.heights(contrast) @ self.secret
        return chips

    def heights(self, contrast: Plane) -> NDArray[np.float32]:
        """How high the waves of the ring are [..., waves]; no key is needed to see that."""
        waves = np.matmul(np.matmul(self.basis, contrast), self.basis.T)
        return waves.reshape(*waves.shape[:-2], -1)[..., self.ring]

    def pattern(self, chips: Chips) -> Plane:
        """What moves chips by as much, on a canvas without contrast."""
        high = len(self.basis)
        waves = np.zeros(high * high, np.float32)
        waves[self.ring] = self.secret @ chips
        pattern: Plane = self.basis.T @ (waves.reshape(high, high) * np.float32(CALM)) @ self.basis
        return pattern


def waves_of(canvas: Canvas, key: bytes) -> Waves:
    """The canvas with the key's directions, drawn once: a process has one key or few."""
    made = _MADE.get((canvas, key))
    if made is None:
        made = _MADE[canvas, key] = Waves(canvas, key)
    return made


_MADE: Final[dict[tuple[Canvas, bytes], Waves]] = {}


@dataclass(frozen=True, slots=True)
class Kin:
    """How much the points around each point of a frame are like it; `_places` lists their places.

    With this held still, how far points stand apart is linear in the frame.
    """

    weights: NDArray[np.float32]  # [places, side, side], 0..1
    whole: Plane  # their sum for each point, with its own weight of 1
    apart: Plane  # each point of the frame less the mean of those around it that are of the same surface

    @classmethod
    def of(cls, frame: Plane) -> Kin:
        """Of a frame [side, side]."""
        differ = around(frame, less=frame)
        weights = np.abs(differ)
        weights *= -1 / max(ALIKE, ROUGH * _roughness(frame))
        weights += np.float32(1.5)
        np.clip(weights, 0, 1, out=weights)
        whole = 1 + weights.sum(0)
        differ *= weights
        return cls(weights, whole, differ.sum(0) / -whole)


def contrast(frame: Plane) -> Plane:
    """How far each point stands out from its surroundings, in units of how far points there do."""
    apart = Kin.of(frame).apart
    contrast: Plane = apart / scale_of(apart)
    return contrast


def spread(frames: Frames, most: int) -> Frames:
    """At most `most` frames, spread over all."""
    return frames[np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))]


def seen(frames: Frames, side: int, most: int) -> Plane:
    """Luma of at most `most` frames, spread over all, on a canvas."""
    return np.stack([on_canvas(grey_of(frame), side) for frame in spread(frames, most)])


def grey_of(frame: Picture) -> Image.Image:
    """Luma of a frame."""
    return Image.fromarray(frame).convert("L")


def on_canvas(grey: Image.Image, side: int) -> Plane:
    """A picture of grey levels on a canvas [side, side]."""
    if (factor := min(grey.size) // (2 * side)) > 1:  # most of the way in whole steps, which are far quicker
        grey = grey.reduce(factor)
    grey = grey.convert("F")
    way = Image.Resampling.BOX if min(grey.size) > side else Image.Resampling.BILINEAR
    return np.asarray(grey.resize((side, side), way))


def scale_of(apart: Plane) -> Plane:
    """The contrast around each point: root mean square of a square of five, and what counts as calm."""
    scale = _blurred(apart * apart, 2)
    np.maximum(scale, 0, out=scale)
    scale += np.float32(CALM * CALM)
    return np.sqrt(scale, out=scale)


def around(frame: Plane, less: Plane | np.float32 = _NOTHING) -> Plane:
    """What lies at each place around each point: [places, side, side], less a plane; edges are repeated."""
    side = len(frame)
    reach = side // 10
    within = _within(side, reach)
    padded, places = frame.take(within, 0).take(within, 1), _places(reach)
    there = np.empty((len(places), side, side), np.float32)
    for out, (row, column) in zip(there, places, strict=True):
        np.subtract(padded[reach + row : reach + row + side, reach + column : reach + column + side], less, out=out)
    return there


@lru_cache(maxsize=4)
def _within(side: int, reach: int) -> NDArray[np.intp]:
    """Rows or columns from `reach` before the first to as many after the last, for which the nearest stands."""
    return np.clip(np.arange(-reach, side + reach), 0, side - 1)


@lru_cache(maxsize=4)
def _places(reach: int) -> tuple[tuple[int, int], ...]:
    """Rows and columns from a point, evenly spread over a disc as a sunflower's seeds are."""
    number = np.arange(PLACES)
    radius, angle = reach * np.sqrt((number + 0.5) / PLACES), number * np.pi * (3 - 5**0.5)
    places = zip(np.rint(radius * np.cos(angle)), np.rint(radius * np.sin(angle)), strict=True)
    return tuple(sorted({(int(row), int(column)) for row, column in places} - {(0, 0)}))


def _roughness(frame: Plane) -> float:
    """How much a frame varies within a small square, at its middling place."""
    reach = len(frame) // 13
    mean, power = _blurred(np.stack([frame, frame * frame]), reach, 2)  # a quarter of the places says as much
    varied = (power - mean * mean).ravel()
    middle = (varied.size - 1) // 2, varied.size // 2
    return max(float(np.partition(varied, middle)[middle[0] : middle[1] + 1].mean()), 0) ** 0.5  # the median


def _blurred(planes: Plane, reach: int, apart: int = 1) -> Plane:
    """Means over squares of 2 reach + 1 points, edges repeated, at places so far apart."""
    means = _means(planes.shape[-1], reach)[::apart]
    return np.asarray(means @ planes @ means.T, np.float32)


@lru_cache(maxsize=4)
def _means(side: int, reach: int) -> NDArray[np.float32]:
    """A matrix [side, side] whose rows take the mean of 2 reach + 1 neighbours."""
    means = np.zeros((side, side), np.float32)
    for step in range(-reach, reach + 1):
        np.add.at(means, (np.arange(side), np.clip(np.arange(side) + step, 0, side - 1)), 1 / (2 * reach + 1))
    return means
