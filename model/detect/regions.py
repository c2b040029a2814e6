"""Connected regions of a film's frames, on a torus: what leaves the picture on one side comes in on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.uint8]  # [frames, height, width]; 0 is the ground


def shifted(array: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """The array seen one pixel further along an axis, the last joined to the first."""
    return np.roll(array, step, axis)


def grow(classes: Classes, into: NDArray[np.bool_], steps: int) -> Classes:
    """Every class takes over the unclaimed pixels of `into` next to it, pixel by pixel."""
    grown = classes.copy()
    for _ in range(steps):
        free = into & (grown == 0)
        if not free.any():
            break
        for axis in (1, 2):
            for step in (1, -1):
                np.copyto(grown, shifted(grown, axis, step), where=free & (grown == 0))
    return grown


def inner(classes: NDArray[Any]) -> NDArray[np.bool_]:
    """True where the four neighbours are of the pixel's own class, and that is not the ground."""
    same = classes != 0
    for axis in (1, 2):
        alike = classes == shifted(classes, axis, 1)
        same &= alike & shifted(alike, axis, -1)
    return same


def label(classes: Classes) -> NDArray[np.int32]:
    """A number from 1 for every connected region of one class within one frame; 0 for the ground.

    Numbers flow along rows and columns by turns until nothing changes: two or three turns for a body of this world.
    """
    number = np.arange(1, classes.size + 1, dtype=np.int32).reshape(classes.shape)
    number[classes == 0] = 0
    while True:
        before = number
        number = _along_rows(classes, number)
        number = np.swapaxes(_along_rows(np.swapaxes(classes, 1, 2), np.swapaxes(number, 1, 2)), 1, 2)
        if np.array_equal(before, number):
            break
    kept = np.zeros(classes.size + 1, np.int32)
    present = np.flatnonzero(np.bincount(number.ravel(), minlength=classes.size + 1)[1:]) + 1
    kept[present] = np.arange(1, len(present) + 1)
    return kept[number]


def parted(regions: NDArray[np.int32], longest: int) -> NDArray[np.int32]:
    """The same regions, but one longer than `longest` pixels, across or along, is cut in two about its waist."""
    out, most = regions.copy(), int(regions.max(initial=0))
    t, y, x = np.nonzero(regions)
    order = np.argsort(regions[t, y, x], kind="stable")
    at = np.stack((t, y, x), 1)[order]
    for pixels in np.split(at, np.flatnonzero(np.diff(regions[t, y, x][order])) + 1):
        place = np.stack(
            [_unrolled(pixels[:, k], side) for k, side in ((1, regions.shape[1]), (2, regions.shape[2]))], 1
        )
        extent = np.ptp(place, 0) + 1 if len(place) else np.zeros(2)
        if extent.max() > longest:
            most += 1
            out[tuple(pixels[_second(place, int(extent.argmax()))].T)] = most
    return out


def _unrolled(at: NDArray[np.intp], side: int) -> NDArray[np.intp]:
    """Coordinates on a circle, counted on from the widest gap between them."""
    there = np.unique(at)
    gaps = np.diff(there, append=there[:1] + side)
    return np.asarray((at - there[(int(gaps.argmax()) + 1) % len(there)]) % side if len(there) else at, np.intp)


def _second(place: NDArray[np.intp], axis: int) -> NDArray[np.bool_]:
    """True for the pixels that are nearer to the second of two centres, found by turns."""
    second = place[:, axis] > place[:, axis].mean()
    for _ in range(6):
        one, two = place[~second].mean(0), place[second].mean(0)
        second = np.asarray((place - (one + two) / 2) @ (two - one) > 0)
    return second


def _along_rows(classes: Classes, number: NDArray[np.int32]) -> NDArray[np.int32]:
    """The smallest number of each run of one class along the last axis, runs joined over the edge."""
    first, last = number[..., 0], number[..., -1]
    joined = (classes[..., 0] == classes[..., -1]) & (first > 0)
    least = np.where(joined, np.minimum(first, last), first)
    number = np.ascontiguousarray(number)
    number[..., -1] = np.where(joined, least, last)
    number[..., 0] = least
    begins = np.ones(classes.shape, bool)
    begins[..., 1:] = classes[..., 1:] != classes[..., :-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, classes.size))
    return np.repeat(np.minimum.reduceat(number.ravel(), starts), lengths).reshape(classes.shape)
