"""How the promises of one hour went, from the jobs that were taken on in it and the requests that were not. Pure.

An hour is settled once all its jobs have ended, so a job of four hours' patience delays its hour's entry; a job that
has not ended two days later counts as failed. A tenant's own mistakes and cancellations count nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from policies.promises import Timing
from policies.sla import Rejection
from policies.sla_windows import HOUR_MS, Outcome, Window, merge, tally
from serving.errors import Broken
from serving.jobs.accounts import TurnedAway
from serving.jobs.job import Job, State
from serving.sla.terms import Terms

__all__ = ["PATIENCE_MS", "read", "settled", "window_of", "written"]

PATIENCE_MS: Final = 48 * HOUR_MS  # after which a job that has not ended counts as failed
_CLIENTS: Final = frozenset({"invalid_request", "invalid_media", "invalid_value", "moderation_blocked"})
_EMPTY: Final[dict[Rejection, int]] = {}


def settled(jobs: Iterable[Job], hour: int, now: int) -> bool:
    """Whether nothing of the hour can change any more."""
    return now >= (hour + 1) * HOUR_MS + PATIENCE_MS or all(job.terminal for job in jobs)


def window_of(jobs: Iterable[Job], turned: Iterable[TurnedAway], region: str, bounds_ms: Sequence[int]) -> Window:
    """The window of one tenant's hour."""
    window = Window(count=0, ok=0, kept=0, histogram=(0,) * (len(bounds_ms) + 1), rejections=_EMPTY)
    for one in tally(_outcomes(jobs, region), bounds_ms).values():
        window = merge(window, one)
    for each in turned:
        none = (0,) * (len(bounds_ms) + 1)
        rejected = {Rejection(each.reason): each.number}
        window = merge(window, Window(count=each.number, ok=0, kept=0, histogram=none, rejections=rejected))
    return window


def written(window: Window) -> str:
    """As JSON."""
    rejections = {str(reason): number for reason, number in sorted(window.rejections.items())}
    told = {"count": window.count, "ok": window.ok, "kept": window.kept, "hist": window.histogram, "rej": rejections}
    return json.dumps(told, separators=(",", ":"))


def read(line: str) -> Window:
    """From what `written` gave. Raises Broken."""
    try:
        told: dict[str, Any] = json.loads(line)
        return Window(
            count=told["count"],
            ok=told["ok"],
            kept=told["kept"],
            histogram=tuple(told["hist"]),
            rejections={Rejection(reason): number for reason, number in told["rej"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Broken("A settled hour cannot be read. Restore its row; the log has the same numbers.") from None


def _outcomes(jobs: Iterable[Job], region: str) -> Iterator[Outcome]:
    for job in jobs:
        if job.cancel_requested or job.error in _CLIENTS:
            continue
        terms = Terms.read(job.terms)
        promise = None if terms is None else terms.promise
        timing = _timing(job) if promise is not None else None
        rejection = Rejection.NO_COMPLIANT_REGION if job.error == "policy" else None
        yield Outcome(
            tenant=job.tenant, region=region, at=job.created, promise=promise, timing=timing, rejection=rejection
        )


def _timing(job: Job) -> Timing | None:
    """How long a film took; None for a job without one. An expired job had one when it neither failed nor ended."""
    if job.state not in (State.SUCCEEDED, State.EXPIRED) or job.error is not None:
        return None
    if job.started is None or job.finished is None:
        return None
    return Timing(waited_ms=job.started - job.created, video_ms=job.finished - job.created)
