"""What a cell does again and again. A duty survives whatever it raises; one that keeps failing is told of.

Nobody waits for housekeeping, so nobody notices by himself that it has ended: what fails is logged once, counted each
time, and, when it goes on for too long, a reason why the cell is not ready.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from serving.telemetry import BLIND, Eyes

__all__ = ["LONG", "Duties"]

log = logging.getLogger(__name__)

LONG: Final = 900.0  # seconds in which a duty may fail before the cell is not ready


class Duties:
    """Use it in one event loop."""

    def __init__(self, eyes: Eyes = BLIND, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._eyes, self._clock = eyes, clock
        self._failing: dict[str, float] = {}  # since when

    async def do(self, duty: str, work: Callable[[], Awaitable[object]]) -> None:
        """One turn of a duty, which is a word of `serving.telemetry.allowed`. Raises nothing but a cancellation."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a house whose keeper has died is kept by nobody
            self._failed(duty, error)
        else:
            if self._failing.pop(duty, None) is not None:
                log.warning("A duty of the house is done again.", extra={"duty": duty})

    def _failed(self, duty: str, error: Exception) -> None:
        self._eyes.count("equerry.house.failures", duty=duty)
        if duty not in self._failing:
            self._failing[duty] = self._clock()
            log.error("A duty of the house fails.", extra={"duty": duty, "error": type(error).__name__})

    @property
    def missing(self) -> str:
        """What readiness has to know; empty while no duty has failed for long."""
        now = self._clock()
        late = sorted(duty for duty, since in self._failing.items() if now - since >= LONG)
        return f"housekeeping: {', '.join(late)}; see the cell's log" if late else ""
