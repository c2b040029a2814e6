"""The watermark of the picture: a still, faint pattern per second, whose shape the film itself helps to choose.

What may surprise:

* The pattern stands still. An encoder pays for it once and carries it on, and a film that is trimmed, slowed or thinned
  out keeps it: there is no phase to search for.
* The reader compares each point with those around it that are much like it, and divides by the contrast there. So the
  edge of a body hardly counts, and texture hides more of the pattern than a flat wall, in both senses.
* The writer reads its own work and strengthens just those chips that the film drowns.
* The frame is seen on a small canvas of fixed size, so half the size is the same picture. Small films have room for
  coarse waves only: they use another canvas, and the reader tries both. A crop moves everything and breaks the mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.clip import Frames, Size
from serving.media.marks.carrier import Directions, directions
from serving.media.marks.payload import Chips
from serving.media.marks.rehearsal import rehearse

__all__ = ["CANVASES", "SMALL", "Canvas", "FrameMarks", "mark_frames", "read_frames"]

Plane = NDArray[np.float32]  # [side, side] or [frames, side, side], levels of luma 0..255

SMALL: Final = 200  # pixels of a film's shorter side below which it has room for coarse waves only
SEGMENT: Final = Fraction(1)  # seconds for which one pattern stands
LOOKS: Final = 4  # frames of a segment that the writer looks at
MOST_READ: Final = 64  # frames that the reader looks at
MOST_TRIED: Final = 12  # the same in rehearsal
CALM: Final = 4.0  # levels of contrast that count as none: film grain, and what encoders leave
ALIKE: Final = 16.0  # levels by which points of one surface may differ
ROUGH: Final = 3.0  # the same in a film without flat surfaces, as a multiple of how much it varies
STRIP: Final = 32  # rows
AROUND: Final = 16  # points that one is compared with
DEEPEST: Final = 3.0  # how many times stronger than on a flat wall the pattern may be in texture
ROUNDS: Final = 10  # in which the writer strengthens chips
STRENGTHS: Final = (0.7, 1.0, 1.4, 2.0, 2.8)  # tried in turn on a small film
SURE: Final = 0.84  # likeness that a small film must keep in rehearsal; 0.78 can be read


@dataclass(frozen=True, slots=True)
class Canvas:
    """A frame as the mark sees it: side x side, and the waves (half periods across it) that carry chips."""

    side: int
    low: int
    high: int
    margin: float  # what each chip is to read, in units of the contrast around it
    most: float  # levels that the pattern may move a flat wall


CANVASES: Final = (Canvas(64, 4, 15, 2.6, 7.0), Canvas(128, 8, 40, 2.6, 4.0))


@dataclass(frozen=True)
class _Waves:
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
    def ring(self) -> NDArray[np.bool_]:
        """Which pairs of waves carry chips."""
        waves = np.arange(self.canvas.high + 1)
        radius = np.hypot(waves[:, None], waves)
        ring: NDArray[np.bool_] = (radius >= self.canvas.low) & (radius <= self.canvas.high)
        return ring

    @cached_property
    def secret(self) -> Directions:
        return directions(self.key, f"picture/{self.canvas.side}", int(self.ring.sum()))

    def read(self, seen: Plane) -> Chips:
        """Chips [frames, CHIPS] of frames on the canvas."""
        waves = np.matmul(np.matmul(self.basis, _contrast(seen)), self.basis.T)
        chips: Chips = waves[:, self.ring] @ self.secret
        return chips

    def pattern(self, chips: Chips) -> Plane:
        """What moves chips by as much, on a canvas without contrast."""
        waves = np.zeros(self.ring.shape, np.float32)
        waves[self.ring] = self.secret @ chips
        pattern: Plane = (self.basis.T @ waves @ self.basis * CALM).astype(np.float32)
        return pattern


def mark_frames(frames: Frames, fps: Fraction, chips: Chips, key: bytes) -> Frames:
    """The frames with the chips in them, uint8 [T,H,W,3].

    A small film has little room and is cheap to try: it is marked as strongly as it takes to survive `rehearse`.
    """
    canvas = CANVASES[min(frames.shape[1:3]) >= SMALL]
    if canvas is not CANVASES[0]:
        return _marked(canvas, frames, fps, chips, key)[0]
    for strength in STRENGTHS:
        marked, _ = _marked(canvas, frames, fps, chips, key, strength)
        if all(_likeness(_waves(canvas, key), each, chips) >= SURE for each in rehearse(marked, fps)):
            break
    return marked


class FrameMarks:
    """Marks frames while they come, to the same end as `mark_frames`.

    A film that is not small is marked second by second. A small one is kept until its end, since how strongly it is
    marked depends on all of it.
    """

    def __init__(self, size: Size, fps: Fraction, chips: Chips, key: bytes) -> None:
        self._canvas = CANVASES[min(size.width, size.height) >= SMALL]
        self._fps, self._chips, self._key = fps, chips, key
        self._held = np.empty((0, size.height, size.width, 3), np.uint8)
        self._strengths = np.zeros_like(chips)

    def add(self, frames: Frames) -> Frames:
        """Takes the next frames; gives those that are marked now, perhaps none."""
        self._held = np.concatenate([self._held, frames])
        step = _step(self._fps)
        ready = len(self._held) // step * step if self._canvas is not CANVASES[0] else 0
        return self._let_go(ready)

    def end(self) -> Frames:
        """The rest of the film."""
        if self._canvas is CANVASES[0] and len(self._held):
            return mark_frames(self._held, self._fps, self._chips, self._key)
        return self._let_go(len(self._held))

    def _let_go(self, count: int) -> Frames:
        ready, self._held = self._held[:count], self._held[count:].copy()
        marked, self._strengths = _marked(self._canvas, ready, self._fps, self._chips, self._key, begun=self._strengths)
        return marked


def _marked(
    canvas: Canvas,
    frames: Frames,
    fps: Fraction,
    chips: Chips,
    key: bytes,
    strength: float = 1.0,
    begun: Chips | None = None,
) -> tuple[Frames, Chips]:
    """The frames with the chips in them, and the strengths that the next second begins with."""
    waves, step = _waves(canvas, key), _step(fps)
    marked, strengths = np.empty_like(frames), np.zeros_like(chips) if begun is None else begun
    for start in range(0, len(frames), step):
        part = frames[start : start + step]
        pattern, strengths = _fitted(waves, _seen(part, canvas.side, LOOKS), chips, strengths, strength)
        _add(part, pattern, round(canvas.most * strength), marked[start : start + step])
    return marked, strengths


def _step(fps: Fraction) -> int:
    """Frames for which one pattern stands."""
    return max(round(SEGMENT * fps), 1)


def _likeness(waves: _Waves, frames: Frames, chips: Chips) -> float:
    """Of what frames read with what was written, -1..1."""
    read = waves.read(_seen(frames, waves.canvas.side, MOST_TRIED)).mean(0)
    return float(read @ chips) / float(np.linalg.norm(read) * np.linalg.norm(chips) + 1e-9)


def read_frames(frames: Frames, key: bytes) -> tuple[Chips, ...]:
    """What each canvas reads, a row of chips for each: the mark is in one of them if it is there at all."""
    read = (_waves(canvas, key).read(_seen(frames, canvas.side, MOST_READ)) for canvas in CANVASES)
    return tuple(chips.mean(0) for chips in read)


def _waves(canvas: Canvas, key: bytes) -> _Waves:
    made = _MADE.get((canvas, key))
    if made is None:
        made = _MADE[canvas, key] = _Waves(canvas, key)
    return made


_MADE: Final[dict[tuple[Canvas, bytes], _Waves]] = {}  # a process has one key or few


def _fitted(waves: _Waves, seen: Plane, chips: Chips, begun: Chips, strength: float) -> tuple[Plane, Chips]:
    """The pattern that makes frames read as wanted, and how strong each chip came out; `begun` is a first guess."""
    canvas, wanted = waves.canvas, waves.canvas.margin * strength
    most = canvas.most * strength
    depth = np.clip(_scale(_apart(seen)).mean(0) / CALM, 1, DEEPEST)
    base, strengths = np.clip(seen, most / 2, 255 - most / 2), begun
    for _ in range(ROUNDS):
        pattern = np.clip(waves.pattern(strengths), -most, most) * depth
        lacks = np.maximum(wanted - chips * waves.read(np.clip(base + pattern, 0, 255)).mean(0), 0)
        if lacks.max() < wanted / 20:
            break
        strengths = strengths + chips * lacks
    return pattern, strengths


def _add(frames: Frames, pattern: Plane, room: int, out: Frames) -> None:
    """Adds the pattern to frames, all colours alike. Black and white first make room, or half the pattern were cut."""
    height, width = frames.shape[1:3]
    whole = np.rint(np.asarray(Image.fromarray(pattern).resize((width, height), Image.Resampling.BICUBIC)))
    up, down = (np.repeat(np.clip(part, 0, 255).astype(np.uint8)[..., None], 3, 2) for part in (whole, -whole))
    least, most = np.maximum(down, room // 2), 255 - np.maximum(up, room // 2)
    for top in range(0, height, STRIP):  # a strip of rows at a time, which stays in the processor's cache
        rows = slice(top, top + STRIP)
        for frame, made in zip(frames[:, rows], out[:, rows], strict=True):
            np.maximum(frame, least[rows], out=made)
            np.minimum(made, most[rows], out=made)
            np.add(made, up[rows], out=made)
            np.subtract(made, down[rows], out=made)


def _seen(frames: Frames, side: int, most: int) -> Plane:
    """Luma of at most `most` frames, spread over all, on a canvas."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    seen = np.empty((len(chosen), side, side), np.float32)
    for place, number in enumerate(chosen):
        grey = Image.fromarray(frames[number]).convert("L")
        if (factor := min(grey.size) // (2 * side)) > 1:  # most of the way in whole steps, which are far quicker
            grey = grey.reduce(factor)
        grey = grey.convert("F")
        way = Image.Resampling.BOX if min(grey.size) > side else Image.Resampling.BILINEAR
        seen[place] = np.asarray(grey.resize((side, side), way))
    return seen


def _contrast(seen: Plane) -> Plane:
    """How far each point stands out from its surroundings, in units of how far points there do."""
    apart = _apart(seen)
    contrast: Plane = apart / _scale(apart)
    return contrast


def _apart(seen: Plane) -> Plane:
    """Each point less the mean of those around it that are of the same surface."""
    side = seen.shape[-1]
    reach = side // 10
    padded = np.pad(seen, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    alike = np.maximum(ALIKE, ROUGH * _roughness(seen))[:, None, None].astype(np.float32)
    sums, weights = np.zeros_like(seen), np.ones_like(seen)
    for row, column in _around(reach):
        there = padded[:, reach + row : reach + row + side, reach + column : reach + column + side] - seen
        weight = np.clip(1.5 - np.abs(there) / alike, 0, 1)
        sums += weight * there
        weights += weight
    apart: Plane = -sums / weights
    return apart


def _roughness(seen: Plane) -> NDArray[np.float32]:
    """How much each frame varies within a small square, at its middling place."""
    reach = seen.shape[-1] // 13
    mean = _blurred(seen, reach)
    rough: NDArray[np.float32] = np.median(
        np.sqrt(np.maximum(_blurred(seen * seen, reach) - mean * mean, 0)), axis=(1, 2)
    )
    return rough


@lru_cache(maxsize=4)
def _around(reach: int) -> tuple[tuple[int, int], ...]:
    """Places around a point, evenly spread over a disc as a sunflower's seeds are."""
    number = np.arange(AROUND)
    radius, angle = reach * np.sqrt((number + 0.5) / AROUND), number * np.pi * (3 - 5**0.5)
    places = zip(np.rint(radius * np.cos(angle)), np.rint(radius * np.sin(angle)), strict=True)
    return tuple(sorted({(int(row), int(column)) for row, column in places} - {(0, 0)}))


def _scale(apart: Plane) -> Plane:
    scale: Plane = np.sqrt(np.maximum(_blurred(apart * apart, 2), 0) + np.float32(CALM * CALM))
    return scale


def _blurred(planes: Plane, reach: int) -> Plane:
    """Means over squares of 2 reach + 1 points, edges repeated."""
    width = 2 * reach + 1
    padded = np.pad(planes, ((0, 0), (reach + 1, reach), (reach + 1, reach)), mode="edge").astype(np.float64)
    sums = padded.cumsum(1).cumsum(2)
    mean: Plane = (
        (sums[:, width:, width:] - sums[:, :-width, width:] - sums[:, width:, :-width] + sums[:, :-width, :-width])
        / width**2
    ).astype(np.float32)  # fmt: skip
    return mean
