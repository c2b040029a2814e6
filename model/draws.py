"""Chance that depends on (seed, chunk, place in the chunk) and on nothing else.

A draw is the same whoever is in the batch, in whatever order slots are computed, on however many ranks, and however
often the job was resumed. The generator is counter-based: two rounds of the 64-bit finaliser of SplitMix64 (Steele,
Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014) over the counter, keyed by the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(seed: int, chunk: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """One number in [0, 1) for each (chunk of the film, place in the chunk), with 53 random bits."""
    with np.errstate(over="ignore"):
        key = _mix(np.asarray(seed, np.uint64) + _GOLDEN)
        counter = (chunk.astype(np.uint64) << np.uint64(32)) | place.astype(np.uint64)
        bits = _mix(_mix(counter * _GOLDEN + key) ^ key)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a code is drawn from its logits."""

    temperature: float = 1.0
    floor: float = 0.0  # codes less likely than this share of the likeliest are never drawn (min-p)
    keep: float = 1.0  # from this likelihood of the likeliest code on, whether it is drawn is left to its likelihood


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Codes [N] from logits [N, V] by the inverse of their cumulative distribution at `uniform` float64 [N].

    Computed in float64, so that rounding of the logits in the last place hardly ever changes a code.
    """
    if sampling.temperature == 0.0:
        return logits.argmax(-1)
    likely = torch.softmax(logits.double() / sampling.temperature, -1)
    if sampling.keep < 1.0:
        likely = _kept(likely, torch.softmax(logits.double(), -1), sampling.keep)
    if sampling.floor > 0.0:
        likely = torch.where(likely < sampling.floor * likely.amax(-1, keepdim=True), 0.0, likely)
    sums = likely.cumsum(-1)
    target = (uniform * sums[:, -1])[:, None]
    return torch.searchsorted(sums, target, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def _kept(sharp: Tensor, true: Tensor, least: float) -> Tensor:
    """Likelihoods [N, V] of which the likeliest code's is the true one, where that is at least `least`; the others
    share what is left as they do in `sharp`. Plain ground goes on almost surely, and a temperature would make that
    sure: films would stay empty."""
    top, place = true.max(-1, keepdim=True)
    rest = sharp.scatter(-1, place, 0.0)
    kept = (rest * ((1 - top) / rest.sum(-1, keepdim=True).clamp(min=1e-30))).scatter(-1, place, top)
    return torch.where(top >= least, kept, sharp)
