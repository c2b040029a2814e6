"""Films that are all different, for whoever times them: no two share a text or a seed, so no cache helps anybody."""

from __future__ import annotations

from typing import Final

from model.checkpoint import Model
from model.clip import Clip, Mode
from model.engine import Task
from model.generate import Generator
from model.make import Maker

__all__ = ["COLOURS", "SECONDS", "SHAPES", "films"]

COLOURS: Final = ("red", "orange", "yellow", "green", "cyan", "blue", "magenta", "white")
SHAPES: Final = ("circle", "square", "triangle", "cross", "ring")
SECONDS: Final = 3  # most that a film of one window can have


def films(model: Model, count: int, first: int, seconds: int) -> list[Task]:
    """As many, of text, in the first size that the model makes; `first` is the seed of the first one."""
    ready = Maker(Generator(model)).ready
    found = []
    for n in range(first, first + count):
        text = f"a {COLOURS[n % 8]} {SHAPES[n % 5]} bounces up and down {n}"
        clip = Clip(prompt=text, mode=Mode.T2V, size=model.config.sizes[0], seconds=seconds, seed=n)
        found.append(Task(job=str(n), order=ready(clip).order))
    return found
