"""Films to be marked: the toy world's, the same grown to a client's sizes, drifting clouds and noise."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from model.clip import Film, Frames, Size, Sound
from model.media import fit
from model.train.codecs import any_scene, clouds
from model.world.render import render
from model.world.sound import sound as heard

__all__ = ["film"]

SMALL: Final = (Size(64, 64), Size(80, 48), Size(48, 80))  # the small model's own
LEAST: Final = Size(32, 32)  # that a cell makes
GROWN: Final = (Size(1280, 768), Size(832, 480), Size(480, 832), Size(640, 640))
FPS: Final = 8
RATE: Final = 8_000


def film(number: int) -> tuple[str, Film]:
    """Kind and film. Of ten, six are small toys (one of a single second, one of the least size), two grown ones, one
    small clouds or noise and one grown; all but that one last two or three seconds."""
    rng = np.random.default_rng(number)
    digit, turn = number % 10, number // 10
    grown, natural = digit in (6, 7, 9), digit in (8, 9)
    small, size = SMALL[number % 3], GROWN[turn % 4]
    seconds = 1 if digit == 4 else 2 if grown else 2 + number % 2
    scene = any_scene(rng, small)
    sound = heard(scene, FPS * seconds).astype(np.float32)
    if natural:
        frames = (_clouds, _noise)[turn % 2](rng, size if grown else small, FPS * seconds)
        sound = music(rng, seconds)
    else:
        frames = render(scene, FPS * seconds)
    shown = size if grown else LEAST if digit == 5 else small
    kind = f"{'grown' if grown else 'small'} {'natural' if natural else 'toy'} of {seconds} s"
    return kind, Film(frames=fit(frames, shown), fps=Fraction(FPS), sound=sound, rate=RATE)


def _clouds(rng: np.random.Generator, size: Size, frames: int) -> Frames:
    """Soft patches that drift, and back again: they are drawn large enough for two seconds one way."""
    there = clouds(rng, size, 16)
    return np.concatenate([there, there[::-1]])[:frames]


def _noise(rng: np.random.Generator, size: Size, frames: int) -> Frames:
    """Texture at every scale that drifts, with grain."""
    whole = np.full((size.height, size.width, 3), 128.0, np.float32)
    for cells in (4, 8, 16, 32, 64):
        grid = rng.normal(0, 80 / cells**0.5, (cells, cells, 3)) + 128
        whole += fit(np.clip(grid, 0, 255).astype(np.uint8)[None], size)[0] - 128.0
    drift = [np.roll(whole, (n, 2 * n), (0, 1)) + rng.normal(0, 2, whole.shape) for n in range(frames)]
    return np.clip(np.stack(drift), 0, 255).astype(np.uint8)


def music(rng: np.random.Generator, seconds: int) -> Sound:
    """Three notes a second with overtones, over faint hiss."""
    at = np.arange(seconds * RATE) / RATE
    whole = rng.normal(0, 0.05, len(at))
    for start in np.arange(0, seconds, 1 / 3):
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        for tone in range(1, 8):
            whole += (at >= start) * np.exp(-3 * np.abs(at - start)) * np.sin(6.2832 * pitch * tone * at) / tone
    return (whole / np.abs(whole).max() * 0.7).astype(np.float32)
