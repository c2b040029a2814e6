"""How long a studio takes no job after one that it could not make, so that whatever is away may come back.

Without it a job that is handed back is taken up again at once, by the same studio, for the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["MOST", "Pause"]

MOST: Final = 60.0  # seconds


class Pause:
    """Doubles with each failure in a row. Jobs that fail together count once."""

    def __init__(self, first: float, clock: Callable[[], float]) -> None:
        """`first` in seconds; `clock` gives seconds that never go back."""
        self._first, self._clock = first, clock
        self._long = self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds that are still to be waited."""
        return max(0.0, self._until - self._clock())

    def failed(self) -> None:
        """A job could not be made, and not by its own fault."""
        if not self.left:
            self._long = min(MOST, 2 * self._long or self._first)
            self._until = self._clock() + self._long

    def made(self) -> None:
        """A job was made: all is well again."""
        self._long = self._until = 0.0
