"""What a benchmark can be asked to measure, by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["MODEL_HELP", "NUMBERS_HELP", "SIZE_HELP", "Name"]

MODEL_HELP: Final = "pony, horse (weights from chance), or foal (a small horse, to try the paths)."
NUMBERS_HELP: Final = "float32 or bfloat16; if not said the first, and for the horse the second."
SIZE_HELP: Final = "Of the horse's or foal's film; 256x144 or 64x48 if not said."


class Name(StrEnum):
    """Of a model; see benchmarks/subjects.py."""

    PONY = "pony"
    HORSE = "horse"
    FOAL = "foal"
