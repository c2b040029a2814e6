"""Whether a film can be taken on with its promise kept, its neighbours' promises too, and if not, from when on. Pure.

The line is served by latest start (earliest due first). A film is taken on when it is expected to begin in time with
room for error, and when nobody who already waits becomes late by it. A promise that no wait can help is refused for
good; every other refusal says after how many seconds it would be taken on, if nobody else came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

from policies.promises import Promise, Run, seat
from policies.sla import Rejection
from serving.sla.forecast import Forecast, begins
from serving.sla.line import Line
from serving.sla.pace import Estimate
from serving.sla.shares import Shares, overtaken

__all__ = ["Taken", "Turned", "consider"]

NOBODY: Final = Shares()
TRIES: Final = 12  # at a time from which a film would be taken on; the guesses only grow, and few are usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The film is taken on."""

    slack_ms: int  # until the latest start that keeps the promise
    eta_ms: int  # until the film is expected to be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """The film is not taken on."""

    why: Rejection
    retry_ms: int = 0  # from then on it would be, if nobody else came; 0 when waiting does not help
    patience_ms: int = 0  # that it would have had


def consider(
    line: Line,
    promise: Promise,
    cost: Estimate,
    shares: Shares = NOBODY,
    *,
    region: str = "here",
    priority: int = 0,
    forecast: Forecast | None = None,
) -> Taken | Turned:
    """The decision about one film. `shares` says who will overtake it; a line without hands has no capacity.

    A `forecast` changes what is foretold, and never the decision.
    """
    asked = _Asked(promise, cost, shares, region, priority, forecast)
    found = _decide(line, asked)
    if isinstance(found, Taken) or not found.retry_ms:
        return found
    return replace(found, retry_ms=_retry(line, asked, found.retry_ms))


@dataclass(frozen=True, slots=True)
class _Asked:
    promise: Promise
    cost: Estimate
    shares: Shares
    region: str
    priority: int
    forecast: Forecast | None

    @property
    def sure(self) -> float:
        """Standard deviations that the promise leaves room for."""
        return _deviations(self.promise.percentile)

    @property
    def slack(self) -> int:
        """Milliseconds from acceptance to the latest start that keeps both parts of the promise."""
        made = round(self.cost.ms * (1 + self.sure * self.cost.spread))
        return min(self.promise.queue_wait_ms, max(0, self.promise.video_ms - made))


@lru_cache(maxsize=128)
def _deviations(percentile: int) -> float:
    return NormalDist().inv_cdf(percentile / 100)


def _decide(line: Line, asked: _Asked) -> Taken | Turned:
    """As `consider`, but a first guess of when it is worth asking again."""
    promise, cost, slack = asked.promise, asked.cost, asked.slack
    if cost.least_ms > promise.video_ms:
        return Turned(why=Rejection.TOO_LONG)
    if line.hands <= 0:  # nobody is there, so no wait can be foretold
        return Turned(why=Rejection.NO_COMPLIANT_REGION)
    place = line.place(line.now + slack, asked.priority)
    starts = line.starts_with(place, cost.ms)
    begin = overtaken(starts[place], slack, asked.shares)
    late = ceil(begin + _room(line, line.squares[place], begin - starts[place], asked))
    seated = seat([asked.region], {asked.region: late} if line.hands > 0 else {}, replace(promise, queue_wait_ms=slack))
    if seated is Rejection.NO_COMPLIANT_REGION:
        return Turned(why=seated)
    harm = _harm(line, place, starts, slack, cost.spread)
    if harm or not isinstance(seated, Run):
        return Turned(why=Rejection.QUEUE_FULL, retry_ms=max(late - slack, harm, 1), patience_ms=slack)
    foretold = begin if asked.forecast is None else begins(starts[place], slack, asked.forecast)
    return Taken(slack_ms=slack, eta_ms=round(foretold) + cost.ms)


def _room(line: Line, squares: int, overtaken_ms: float, asked: _Asked) -> float:
    """Milliseconds by which the wait may be longer than expected. `squares` are those of the costs ahead, added up.

    Errors of single films partly cancel out; those who overtake come at random, as single films and not as a stream.
    """
    hands = max(1, line.hands)
    films = asked.cost.spread**2 * squares
    return asked.sure * sqrt(films + overtaken_ms * hands * asked.cost.ms) / hands


def _harm(line: Line, place: int, starts: Sequence[int], slack: int, spread: float) -> int:
    """0, or milliseconds until such a film makes nobody late who would be in time without it.

    Late is who is expected to begin later than one standard deviation before the latest start. It harms nobody once it
    comes behind them: when they have begun, or when they are due before it. `starts` are the line's with the film.
    """
    error, until = spread / max(1, line.hands), 0
    soon = line.now + ceil(error * sqrt(line.squares[-1]))  # tells of most that they are in time
    behind = enumerate(zip(line.waiting[place:], starts[place + 1 :], strict=True), place)
    for number in [number for number, (each, new) in behind if soon + new > each.due]:
        room, old = line.waiting[number].due - line.now, line.starts[number]
        if old < starts[number + 1] and old <= room - error * sqrt(line.squares[number]) < starts[number + 1]:
            until = max(until, min(old, room - slack) + 1)
    return until


def _retry(line: Line, asked: _Asked, guess: int) -> int:
    """When the film would be taken on, if nobody else came: tried out, since the line ahead changes while one waits."""
    wait = guess
    for _ in range(TRIES):
        found = _decide(line.after(wait), asked)
        if isinstance(found, Taken):
            return wait
        wait += found.retry_ms
    return max(wait, line.idle)  # an idle cell takes on whatever is not refused for good
