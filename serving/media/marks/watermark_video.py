"""The watermark of the picture: a still, faint pattern per few seconds, whose shape the film itself helps to choose.

What may surprise:

* The pattern stands still. An encoder pays for it once and carries it on, and a film that is trimmed, slowed or thinned
  out keeps it: there is no phase to search for.
* A small film has little room, and is marked as strongly as it takes to survive a rehearsal, segment by segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.clip import Frames, Size
from serving.media.marks.canvas import CANVASES, Plane, Waves, contrast, grey_of, on_canvas, seen, spread, waves_of
from serving.media.marks.fitting import Fit, fit_pattern, refit_pattern
from serving.media.marks.payload import CHIPS, Chips
from serving.media.marks.rehearsal import worn

__all__ = ["SMALL", "FrameMarks", "mark_frames", "read_frames"]

SMALL: Final = 200  # pixels of a film's shorter side below which it has room for coarse waves only
TALL: Final = 3  # rows of a frame for each of the canvas, from which on every other row shows as much
MOST_READ: Final = 64  # frames that the reader looks at
STRIP: Final = 32  # rows
AT_ONCE: Final = 1 << 17  # bytes of some frames' strips
LENGTHS: Final = (1.0, 2.0)  # seconds of a film: encoders are harder on a short one, and between them in proportion
USUAL: Final = (2.1, 1.6)  # strength with which a small film of such a length is tried first
SURE: Final = (0.75, 0.60)  # likeness that it is to keep in rehearsal
NEARLY: Final = (-0.02, 0.15)  # by which it may be missed
WEAKEST, STRONGEST = 0.7, 3.5  # strengths that it may have
TRIALS: Final = 3  # of a segment
DAMPED: Final = 0.6  # a quantiser keeps all of what it keeps: stronger marks gain more than in proportion


def mark_frames(frames: Frames, fps: Fraction, chips: Chips, key: bytes) -> Frames:
    """The frames with the chips in them, uint8 [T,H,W,3]."""
    marks = FrameMarks(Size(frames.shape[2], frames.shape[1]), fps, chips, key)
    return _together([marks.add(frames), marks.end()])


class FrameMarks:
    """Marks frames while they come, one segment after the other."""

    def __init__(self, size: Size, fps: Fraction, chips: Chips, key: bytes) -> None:
        self._small = min(size.width, size.height) < SMALL
        self._waves, self._chips, self._fps = waves_of(CANVASES[0 if self._small else 1], key), chips, fps
        self._step = max(round(self._waves.canvas.seconds * fps), 1)
        self._held = [np.empty((0, size.height, size.width, 3), np.uint8)]
        self._strength, self._sure = 0.0, 0.0  # of the segment before, and what a rehearsal is to keep

    def add(self, frames: Frames) -> Frames:
        """Takes the next frames, which nobody may change any more; gives those that are marked now, perhaps none."""
        self._held.append(frames)
        return self._let_go(sum(map(len, self._held)) // self._step * self._step)

    def end(self) -> Frames:
        """The rest of the film."""
        return self._let_go(sum(map(len, self._held)))

    def _let_go(self, count: int) -> Frames:
        if not count:
            return self._held[0][:0]
        whole = _together(self._held)
        ready, self._held = whole[:count], [whole[count:].copy()]
        marked = np.empty_like(ready)
        for start in range(0, count, self._step):
            part = slice(start, start + self._step)
            self._mark(ready[part], marked[part])
        return marked

    def _mark(self, frames: Frames, out: Frames) -> None:
        if not self._strength:  # the first segment, which is as long as the film when that is short
            self._strength, self._sure = self._begun(float(len(frames) / self._fps))
        side, height = self._waves.canvas.side, frames.shape[1]
        rows = 2 if height >= TALL * side and not self._small else 1
        greys = [grey_of(frame[::rows]) for frame in spread(frames, self._waves.canvas.looks)]
        looks = np.stack([on_canvas(grey, side) for grey in greys])
        fit = fit_pattern(self._waves, looks, self._chips, self._strength)
        if self._small:
            fit = _tried(self._waves, greys, looks, self._chips, fit, self._sure)
            self._strength = fit.strength
        _add(frames, fit.pattern, round(self._waves.canvas.most * fit.strength), out)

    def _begun(self, seconds: float) -> tuple[float, float]:
        if not self._small:
            return 1.0, 0.0
        return float(np.interp(seconds, LENGTHS, USUAL)), float(np.interp(seconds, LENGTHS, SURE))


def _together(parts: Sequence[Frames]) -> Frames:
    """The frames of all parts, copied only where there are several."""
    some = [part for part in parts if len(part)]
    return some[0] if len(some) == 1 else np.concatenate(some or parts)


def read_frames(frames: Frames, key: bytes) -> tuple[Chips, ...]:
    """What each canvas reads, a row of chips for each: the mark is in one of them if it is there at all."""
    read = (waves_of(canvas, key).read(seen(frames, canvas.side, MOST_READ)) for canvas in CANVASES)
    return tuple(chips.mean(0) for chips in read)


def _tried(waves: Waves, greys: Sequence[Image.Image], looks: Plane, chips: Chips, fit: Fit, sure: float) -> Fit:
    """As strong as it takes. A likeness says how strong the mark is beside the noise, and the noise stays as it is."""
    rehearsed = [np.asarray(grey, np.float32) for grey in greys[:: max(len(greys) - 1, 1)]]  # the first and the last
    for _ in range(TRIALS):
        kept = _kept(waves, rehearsed, chips, fit.pattern)
        factor = (_odds(sure) / _odds(kept)) ** DAMPED
        strength = float(np.clip(fit.strength * factor, WEAKEST, STRONGEST))
        if NEARLY[0] <= kept - sure <= NEARLY[1] or strength == fit.strength:
            break
        fit = refit_pattern(waves, looks, chips, fit, strength)
    return fit


def _odds(likeness: float) -> float:
    """How much larger the mark is than the noise in what is so like the mark."""
    bounded = min(max(likeness, 0.1), 0.99)
    return bounded / (1 - bounded * bounded) ** 0.5


def _kept(waves: Waves, greys: Sequence[Plane], chips: Chips, pattern: Plane) -> float:
    """Likeness -1..1, in the mean, of what frames read after the rehearsal with what is written."""
    height, width = greys[0].shape
    whole = _grown(pattern, Size(width, height))
    likeness = []
    for each in worn([grey + whole for grey in greys]):
        read = waves.chips(contrast(on_canvas(Image.fromarray(each), waves.canvas.side)))
        likeness.append(float(read @ chips) / (float(np.linalg.norm(read)) * CHIPS**0.5 + 1e-9))
    return sum(likeness) / len(likeness)


def _grown(pattern: Plane, size: Size) -> Plane:
    return np.asarray(Image.fromarray(pattern).resize((size.width, size.height), Image.Resampling.BICUBIC))


def _add(frames: Frames, pattern: Plane, room: int, out: Frames) -> None:
    """Adds the pattern to frames, all colours alike. Black and white first make room, or half the pattern were cut."""
    height, width = frames.shape[1:3]
    whole = np.rint(_grown(pattern, Size(width, height))).astype(np.int8)
    least = _coloured(np.maximum(-whole, room // 2).view(np.uint8))
    most = _coloured(255 - np.maximum(whole, room // 2).view(np.uint8))
    more = _coloured(whole.view(np.uint8))  # what is taken away is added too, since levels are counted round
    together = max(AT_ONCE // (min(STRIP, height) * width * 3), 1)
    for top in range(0, height, STRIP):  # a strip of rows at a time, which stays in the processor's cache
        rows = slice(top, top + STRIP)
        for first in range(0, len(frames), together):
            part = slice(first, first + together)
            made = out[part, rows]
            np.maximum(frames[part, rows], least[rows], out=made)
            np.minimum(made, most[rows], out=made)
            np.add(made, more[rows], out=made)


def _coloured(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same for each of three colours [height, width, 3]."""
    whole = np.empty((*plane.shape, 3), np.uint8)
    for colour in range(3):
        whole[..., colour] = plane
    return whole
