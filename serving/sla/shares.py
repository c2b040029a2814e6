"""Which part of a cell each class of service asks for just now: those with less patience go first. Pure.

A class is known by its patience, the time between a film's acceptance and the latest start that keeps its promise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from serving.sla.line import Line
from serving.sla.pace import Sample

__all__ = ["RATE_MS", "Refused", "Shares", "load", "overtaken", "shares_of"]

LOAD_MS: Final = 60_000  # over which it is looked whether more is asked for than can be made
RATE_MS: Final = 120_000  # over which shares are taken: long enough for some films, short enough for a surge
LEAST_SEEN_MS, MOST_SEEN_MS = 60_000, 900_000  # for which the shares are expected to last
MOST_SHARE: Final = 0.9  # of all hands, that other classes can be expected to take


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of all hands each class asks for."""

    taken: Sequence[tuple[int, float]] = ()  # patience in milliseconds, and the part of all hands
    lasts_ms: int = 0  # for how long that is expected to go on


@dataclass(frozen=True, slots=True)
class Refused:
    """A film that could not be taken on: room is left for the next one of its class."""

    at: int  # milliseconds since 1970
    patience_ms: int
    cost_ms: int


def shares_of(samples: Iterable[Sample], line: Line, refused: Iterable[Refused] = ()) -> Shares:
    """From the films that were asked for lately: finished, waiting, or refused.

    Were the refused left out, a patient class would fill the room of an impatient one, which then could never come in.
    It is expected to go on for as long as the line has lasted, which the one who waits longest tells.
    """
    taken: dict[int, float] = defaultdict(float)
    whole, lately = RATE_MS * max(1, line.hands), line.now - RATE_MS
    for sample in samples:
        if sample.ordered > lately:
            taken[sample.patience_ms] += sample.hand_ms / whole
    oldest = line.now
    for _, due, created, _, cost_ms in line.waiting:
        oldest = created if created < oldest else oldest
        if created > lately:
            taken[due - created] += cost_ms / whole
    for gone in refused:
        if gone.at > lately:
            taken[gone.patience_ms] += gone.cost_ms / whole
    lasts = min(max(line.now - oldest, LEAST_SEEN_MS), MOST_SEEN_MS)
    return Shares(_bounded(taken), lasts)


def load(samples: Iterable[Sample], line: Line, refused: Iterable[Refused] = ()) -> float:
    """Work that was asked for in the last minute, as a part of what all hands can do; those refused asked too.

    What is in hand is not counted, since nobody knows when it was asked for: at most a film for each hand.
    """
    since = line.now - LOAD_MS
    asked = sum(each.hand_ms for each in samples if each.ordered > since)
    asked += sum(each.cost_ms for each in line.waiting if each.created > since)
    asked += sum(each.cost_ms for each in refused if each.at > since)
    return asked / (LOAD_MS * max(1, line.hands))


def overtaken(start_ms: float, patience_ms: int, others: Shares) -> float:
    """When a job will begin, if films of less patience keep coming and go first; `start_ms` is without them.

    A film of patience p that comes at time t is due at t + p, so it goes first until `patience_ms` - p. With s the
    start, s = start + the sum over all classes of share * min(s, until when they go first).
    """
    ahead = sorted(
        (min(patience_ms - patience, others.lasts_ms), share)
        for patience, share in others.taken
        if patience < patience_ms
    )
    fixed, rate = start_ms, sum(share for _, share in ahead)
    for until, share in ahead:
        start = fixed / (1 - rate)
        if start <= until:
            return start
        fixed, rate = fixed + share * until, rate - share
    return fixed / (1 - rate)


def _bounded(taken: dict[int, float]) -> Sequence[tuple[int, float]]:
    """With room left for the one who asks."""
    whole = sum(taken.values())
    most = min(1.0, MOST_SHARE / whole) if whole else 1.0
    return tuple((patience, share * most) for patience, share in sorted(taken.items()))
