"""The vocabulary that the other rooms speak: what is asked for, and what is made.

A `Clip` is what a caller asks for, after defaults and before tokens. A `Film` is what was made: picture and sound of
exactly the same length. Pictures are uint8 RGB arrays [height, width, 3], sound is mono float32 in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # [height, width, 3] RGB
Frames = NDArray[np.uint8]  # [frames, height, width, 3] RGB
Sound = NDArray[np.float32]  # [samples] mono, -1..1


class Mode(StrEnum):
    """What a clip is made from."""

    T2V = "t2v"
    I2V = "i2v"
    R2V = "r2v"
    EDIT = "edit"
    EXTEND = "extend"


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels, written WIDTHxHEIGHT."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """Picture and sound of equal length."""

    frames: Frames
    fps: Fraction
    sound: Sound
    rate: int  # samples per second

    @property
    def size(self) -> Size:
        """Width and height of the frames."""
        return Size(self.frames.shape[2], self.frames.shape[1])

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return float(len(self.frames) / self.fps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """What a caller asks for: a sentence, and perhaps pictures or a film to start from."""

    prompt: str
    mode: Mode
    size: Size
    seconds: int  # 1..15
    seed: int  # 0..2**63-1
    image: Picture | None = None  # i2v: the first frame
    references: tuple[Picture, ...] = ()  # r2v: named [1], [2], ... in the prompt
    source: Film | None = None  # edit: the film to change; extend: the film to go on from
