"""Which sentences a log line may say: those that stand in the source as constants, and no other.

The source of a module is read once, when it first logs. A message that was put together while the program ran is not
among its constants, whatever it was put together from, and so it is not said.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["ROOMS", "sentences_of", "spoken"]

ROOMS: Final = ("serving", "model", "policies")
_ROOT: Final = Path(__file__).resolve().parents[2]


def spoken(path: str, sentence: object) -> bool:
    """Whether a module of ours has this sentence in its source."""
    return isinstance(sentence, str) and sentence in sentences_of(path)


@cache
def sentences_of(path: str) -> frozenset[str]:
    """The constant texts of a module of ours that stand in calls; none of any other file, or of one that is gone."""
    place = Path(path)
    if not any(place.is_relative_to(_ROOT / room) for room in ROOMS):
        return frozenset()
    try:
        tree = ast.parse(place.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    given = (argument for call in calls for argument in call.args)
    return frozenset(each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str))
