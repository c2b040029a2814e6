"""When a film will be there, if others keep coming and go first. Pure; it decides nothing.

A patient film's wait is mostly other people's: who is due earlier goes first, also when they come later. So it is
foretold in two parts. While the rush lasts, each class gets the part of the hands that it got lately; afterwards, the
part that it has in quiet times. It is a rush while more is asked for than can be made. How long one lasts nobody knows:
it is expected to go on for five minutes more, whenever one looks. That is the mean of a thing without memory, and was
better than "as long again as it has lasted" for rushes of five, ten and twenty minutes; what no such law can do is told
in docs/decisions/2026-11-22-what-a-forecast-cannot-know.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from serving.sla.line import Line
from serving.sla.pace import Sample
from serving.sla.shares import RATE_MS, Refused, load

__all__ = ["Calm", "Forecast", "begins", "forecast_of", "served"]

RUSH: Final = 0.8  # of what can be made, beyond which it is a rush: what is in hand is asked for too
RUSH_MS: Final = 300_000  # for which a rush is expected to go on
MOST: Final = 0.95  # of all hands, that those who go first can have for ever
LEAST_MS: Final = 15_000  # over which parts are taken
STEP_MS: Final = 5_000  # classes whose patience differs by less are one
KEEP_MS: Final = 3_600_000  # over which quiet times are remembered

Parts = Sequence[tuple[int, float]]  # patience in milliseconds, and the part of all hands


@dataclass(frozen=True, slots=True)
class Forecast:
    """Who is expected to be served."""

    rush: Parts = ()  # while it lasts
    lasts_ms: int = 0
    calm: Parts = ()  # afterwards


def served(samples: Sequence[Sample], now: int, hands: int) -> Parts:
    """What hands have worked on lately, by class; of a large cell the newest films tell of less than two minutes."""
    oldest = min((each.done for each in samples), default=now)
    over = min(RATE_MS, max(LEAST_MS, now - oldest))
    whole, parts = over * max(1, hands), defaultdict[int, float](float)
    for each in samples:
        if each.done > now - over:
            parts[each.patience_ms // STEP_MS * STEP_MS] += each.hand_ms / whole
    return tuple(sorted(parts.items()))


def forecast_of(samples: Sequence[Sample], line: Line, calm: Parts, refused: Iterable[Refused] = ()) -> Forecast:
    """From what was finished lately, and quiet times.

    A line that is only being worked off is no rush: nobody asks for more than can be made any longer.
    """
    lately = served(samples, line.now, line.hands)
    rushes = bool(line.waiting) and load(samples, line, refused) >= RUSH
    return Forecast(lately, RUSH_MS if rushes else 0, calm or lately)


def begins(start_ms: float, patience_ms: int, forecast: Forecast) -> float:
    """When a film of this patience begins, in milliseconds; `start_ms` is when it would if nobody else came.

    A film of patience p that comes at time t is due at t + p, so it goes first until `patience_ms` - p.
    """
    ahead = tuple(_ahead(patience_ms, forecast))
    edges = sorted({0.0, *(edge for begin, end, _ in ahead for edge in (begin, end))})
    left = start_ms
    for begin, end in pairwise(edges):
        free = _free(ahead, begin) * (end - begin)
        if free >= left:
            return begin + left / _free(ahead, begin)
        left -= free
    return edges[-1] + left


class Calm:
    """The mean of what was served while nobody waited, over the last hour of such time. Not safe for two threads."""

    def __init__(self) -> None:
        self._parts, self._known_ms = dict[int, float](), 0
        self._since: int | None = None  # the last look

    @property
    def parts(self) -> Parts:
        """The mean."""
        return tuple(sorted(self._parts.items()))

    def look(self, lately: Parts, line: Line) -> None:
        """Call it with each look at the line.

        How much is under way is what the hands do at the time; what was finished lately tells which classes it is of.
        The latter alone would leave out what is in hand, which is most of it in a cell that has just begun.
        """
        passed, self._since = line.now - (line.now if self._since is None else self._since), line.now
        whole = sum(part for _, part in lately)
        if line.waiting or passed <= 0 or (line.busy_ms and not whole):
            return
        passed = min(passed, RATE_MS)
        self._known_ms = min(self._known_ms + passed, KEEP_MS)
        busy = min(1.0, len(line.busy_ms) / max(1, line.hands)) / whole if whole else 0.0
        weight, now = passed / self._known_ms, {patience: part * busy for patience, part in lately}
        for patience in {*self._parts, *now}:
            old = self._parts.get(patience, 0.0)
            self._parts[patience] = old + weight * (now.get(patience, 0.0) - old)


def _ahead(patience_ms: int, forecast: Forecast) -> Iterator[tuple[float, float, float]]:
    """From when until when each class goes first, and with which part."""
    for parts, begin, end in ((forecast.rush, 0, forecast.lasts_ms), (forecast.calm, forecast.lasts_ms, patience_ms)):
        for patience, part in parts:
            until = min(end, patience_ms - patience)
            if until > begin:
                yield begin, until, part


def _free(ahead: Sequence[tuple[float, float, float]], at: float) -> float:
    return max(1 - MOST, 1 - sum(part for begin, end, part in ahead if begin <= at < end))
