"""Sends all metrics to a collector at a steady pace, from a thread of its own. A tick that fails is not made up for:
the next one says all that it would have said."""

from __future__ import annotations

import threading
from collections.abc import Callable

from opentelemetry.sdk.metrics.export import MetricsData

from serving.telemetry.sieve import Tally

__all__ = ["Ticker"]


class Ticker:
    """One thread."""

    def __init__(
        self, read: Callable[[], MetricsData], export: Callable[[MetricsData], bool], tally: Tally, *, every: float
    ) -> None:
        """`every` seconds `export` is given what `read` gives, and says whether the collector took it."""
        self._read, self._export, self._tally, self._every = read, export, tally, every
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry-metrics", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Tick once more, for `timeout` seconds at most."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            self._tick()
        self._tick()

    def _tick(self) -> None:
        try:
            taken = self._export(self._read())
        except Exception:  # noqa: BLE001 - whatever an exporter raises, the work must not hear of it
            taken = False
        if taken:
            self._tally.send("metrics", 1)
        else:
            self._tally.drop("metrics", "failed")
