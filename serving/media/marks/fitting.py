"""Finds the pattern that makes frames read as wanted, on the canvas.

What may surprise:

* The writer reads its own work, and strengthens just those chips that the film drowns.
* How far points stand apart is linear in a pattern as long as it is held still which points are alike and how much
  contrast is around them. So rounds work on that, which is one plane however many frames are looked at, and the
  frames are looked at once: with the pattern in them that a flat wall would take.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.media.marks.canvas import CALM, PLACES, Kin, Plane, Waves, around, scale_of
from serving.media.marks.payload import Chips

__all__ = ["Fit", "fit_pattern", "refit_pattern"]

DEEPEST: Final = 3.0  # how many times stronger than on a flat wall the pattern may be in texture
ROUNDS: Final = 3  # in which chips are strengthened when the frames were looked at
NEAR: Final = 1 / 20  # of what a chip is to read: what it may lack


@dataclass(frozen=True, slots=True)
class Fit:
    """A pattern, and how strong each chip is in it."""

    strength: float  # as a multiple of what a canvas asks for
    pattern: Plane  # levels that it moves
    strengths: Chips
    depth: Plane  # how many times stronger than on a flat wall it may be at each point


@dataclass(frozen=True, slots=True)
class _Linear:
    """The mean contrast of some frames as a linear function of a pattern that is laid over all of them."""

    still: Plane  # the contrast without it
    own: Plane  # what a point's own level counts for, and
    others: NDArray[np.float32]  # [places, side, side], those around it
    calm: Plane  # what a unit of contrast is divided by around each point

    def contrast(self, pattern: Plane) -> Plane:
        """Of the frames with a pattern in them."""
        contrast: Plane = self.still + self.own * pattern - np.einsum("kij,kij->ij", self.others, around(pattern))
        return contrast


def fit_pattern(waves: Waves, looks: Plane, chips: Chips, strength: float) -> Fit:
    """The pattern for some frames of a film [looks, side, side]."""
    base, wanted = _with_room(waves, looks, strength), chips * np.float32(waves.canvas.margin * strength)
    flat = _laid(waves, wanted, waves.canvas.most * strength, np.ones_like(base[0]))  # as in a film without contrast
    linear = _linear(base, flat)
    rough = 1 / linear.calm**2 - np.mean(flat * flat)  # without what the pattern itself adds
    depth: Plane = np.sqrt(np.clip(rough, CALM**2, (DEEPEST * CALM) ** 2)) / np.float32(CALM)
    return _strengthened(waves, linear, chips, Fit(strength, flat, wanted, depth))


def refit_pattern(waves: Waves, looks: Plane, chips: Chips, fit: Fit, strength: float) -> Fit:
    """The same at another strength, from a fit for the same frames."""
    more = np.float32(strength / fit.strength)
    fit = Fit(strength, fit.pattern * more, fit.strengths * more, fit.depth)
    return _strengthened(waves, _linear(_with_room(waves, looks, strength), fit.pattern), chips, fit)


def _with_room(waves: Waves, looks: Plane, strength: float) -> Plane:
    """Black and white make room for the pattern, as they do when it is added."""
    room = waves.canvas.most * strength
    return np.clip(looks, room / 2, 255 - room / 2)


def _strengthened(waves: Waves, linear: _Linear, chips: Chips, fit: Fit) -> Fit:
    wanted, most = waves.canvas.margin * fit.strength, waves.canvas.most * fit.strength
    strengths, gain = fit.strengths, float(CALM * linear.own.mean())
    for _ in range(ROUNDS):
        lacks = wanted - chips * waves.chips(linear.contrast(_laid(waves, strengths, most, fit.depth)))
        if lacks.max() < wanted * NEAR:
            break
        strengths = np.maximum(chips * strengths + lacks / gain, 0) * chips
    return Fit(fit.strength, _laid(waves, strengths, most, fit.depth), strengths, fit.depth)


def _laid(waves: Waves, strengths: Chips, most: float, depth: Plane) -> Plane:
    """The pattern of chips as strong as that, within what may be seen."""
    pattern = waves.pattern(strengths)
    np.minimum(np.maximum(pattern, -most, out=pattern), most, out=pattern)
    pattern *= depth
    return pattern


def _linear(base: Plane, pattern: Plane) -> _Linear:
    """Around frames with a pattern in them."""
    share = np.float32(1 / len(base))
    still, calm = np.zeros_like(pattern), np.zeros_like(pattern)
    others = np.zeros((PLACES, *pattern.shape), np.float32)
    for frame in base:
        there = frame + pattern
        kin = Kin.of(there)
        calmer = share / scale_of(kin.apart)
        still += kin.apart * calmer
        calm += calmer
        others += np.multiply(kin.weights, calmer / kin.whole, out=kin.weights)
    linear = _Linear(still, others.sum(0), others, calm)
    return replace(linear, still=2 * still - linear.contrast(pattern))
