"""How often something may happen: so many times at once, and then as often as its share of a minute comes round.

Pure: whoever asks says what time it is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["Bucket", "Buckets"]

TURN: Final = 60_000  # what a turn is counted as, so that one a minute is 1 in each millisecond
KEPT: Final = 4_096  # names whose buckets are kept in mind


class Bucket:
    """Turns to take: `most` at first, and never more; `per_minute` come back by themselves."""

    def __init__(self, *, per_minute: int, most: int) -> None:
        self._back, self._most = per_minute, most * TURN
        self._left, self._at = self._most, 0  # and when it was counted

    def take(self, now: int) -> int:
        """0 for a turn that is taken, else the seconds until there is one. `now` is in milliseconds; a clock that was
        put back brings nothing, and takes nothing."""
        if self._at:
            self._left = min(self._most, self._left + max(0, now - self._at) * self._back)
        self._at = now
        if self._left < TURN:
            return -(-(TURN - self._left) // (1000 * self._back))
        self._left -= TURN
        return 0

    def give(self) -> None:
        """A turn that was taken and not used."""
        self._left = min(self._most, self._left + TURN)


class Buckets:
    """One bucket for each name. Of more than `kept` names, those that were not asked for longest begin anew."""

    def __init__(self, *, per_minute: int, most: int, kept: int = KEPT) -> None:
        self._per_minute, self._most, self._kept = per_minute, most, kept
        self._found: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, name: str) -> Bucket:
        """The bucket of a name."""
        found = self._found.get(name) or Bucket(per_minute=self._per_minute, most=self._most)
        self._found[name] = found
        self._found.move_to_end(name)
        if len(self._found) > self._kept:
            self._found.popitem(last=False)
        return found
