"""The seam between a cell's work and those who watch it: spans, counts, durations. No library stands behind it here.

Parts take `Eyes` and tell it what they do; `BLIND` takes everything and keeps nothing. What is told is put through the
allow-list before it leaves, so a part that tells too much by mistake leaks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Final, Protocol

__all__ = ["BLIND", "Blind", "Eyes", "Span", "Told", "outcome_of", "stage"]

Told = str | int | float | bool


class Span(Protocol):
    """A stretch of work that is being watched."""

    def tell(self, **attributes: Told) -> None:
        """Say more of it; names are those of `serving.telemetry.allowed`."""


class Eyes(Protocol):
    """Watches one process. Every call is cheap, waits for nobody, and raises nothing of its own."""

    def span(self, name: str, **attributes: Told) -> AbstractContextManager[Span]:
        """A stretch of work inside the one that is going on, if any. What is raised inside is noted by its kind."""

    def request(self, request: str, *, sampled: bool) -> AbstractContextManager[Span]:
        """The whole of one client's request. Its id, 32 hexadecimal digits, is the trace's id too."""

    def job(self, job: str, **attributes: Told) -> AbstractContextManager[Span]:
        """One studio's work on a job, in the trace of the request that made it, and linked to it."""

    def count(self, metric: str, amount: float = 1, **labels: Told) -> None:
        """Add to a counter of `serving.telemetry.metrics`."""

    def measure(self, metric: str, value: float, **labels: Told) -> None:
        """One value of a histogram."""

    def gauge(self, metric: str, value: float, **labels: Told) -> None:
        """How much there is now."""


class _Closed:
    """A span that nobody watches."""

    def tell(self, **attributes: Told) -> None:
        """Nothing."""


_CLOSED: Final = _Closed()


class Blind:
    """Sees nothing: what parts have when nobody watches."""

    @contextmanager
    def span(self, name: str, **attributes: Told) -> Iterator[Span]:  # noqa: ARG002 - the seam's names
        """Nothing."""
        yield _CLOSED

    @contextmanager
    def request(self, request: str, *, sampled: bool) -> Iterator[Span]:  # noqa: ARG002
        """Nothing."""
        yield _CLOSED

    @contextmanager
    def job(self, job: str, **attributes: Told) -> Iterator[Span]:  # noqa: ARG002
        """Nothing."""
        yield _CLOSED

    def count(self, metric: str, amount: float = 1, **labels: Told) -> None:
        """Nothing."""

    def measure(self, metric: str, value: float, **labels: Told) -> None:
        """Nothing."""

    def gauge(self, metric: str, value: float, **labels: Told) -> None:
        """Nothing."""


BLIND: Final[Eyes] = Blind()


def outcome_of(error: BaseException | None) -> str:
    """How a call ended, in one of four words. What has no name of ours has failed."""
    names = () if error is None else {kind.__name__ for kind in type(error).__mro__}
    if error is None:
        return "ok"
    return "refused" if "Refused" in names else "unavailable" if "Unavailable" in names else "failed"


@contextmanager
def stage(eyes: Eyes, name: str, **attributes: Told) -> Iterator[Span]:
    """One stage of the work on a film: a span and a duration."""
    began, error = perf_counter(), None
    try:
        with eyes.span(name, **attributes) as span:
            yield span
    except BaseException as raised:
        error = raised
        raise
    finally:
        eyes.measure("equerry.stage.duration", perf_counter() - began, stage=name, outcome=outcome_of(error))
