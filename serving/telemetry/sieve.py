"""What everything goes through on its way out: names and values on the allow-list pass, and the rest is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Final

from serving.telemetry.allowed import ATTRIBUTES
from serving.telemetry.eyes import Told

__all__ = ["OTHER", "Sieve", "Tally"]

OTHER: Final = "other"  # the tenant of a metric whose own label would be one too many


class Tally:
    """How much was dropped, by signal and cause, and how much was sent. Any thread may add."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._sent: Counter[str] = Counter()

    def drop(self, signal: str, cause: str, count: int = 1) -> None:
        """Something is not told on: `unlisted`, `full` or `failed`."""
        with self._lock:
            self._dropped[signal, cause] += count

    def send(self, signal: str, count: int) -> None:
        """A collector has taken something."""
        with self._lock:
            self._sent[signal] += count

    @property
    def dropped(self) -> dict[tuple[str, str], int]:
        """So far, by signal and cause."""
        with self._lock:
            return dict(self._dropped)

    @property
    def sent(self) -> dict[str, int]:
        """So far, by signal."""
        with self._lock:
            return dict(self._sent)


class Sieve:
    """Lets attributes of one kind of signal pass: `spans`, `metrics` or `logs`."""

    def __init__(self, signal: str, tally: Tally, *, tenants: int | None = None) -> None:
        """`tenants` is how many of them have a value of their own; None lets all have one, as spans and logs may."""
        self._signal, self._tally, self._tenants = signal, tally, tenants
        self._known: set[str] = set()
        self._lock = Lock()

    def strain(self, given: Mapping[str, object], only: frozenset[str] | None = None) -> dict[str, Told]:
        """What of the attributes may leave; `only` names those that this metric has."""
        passed: dict[str, Told] = {}
        for name, value in given.items():
            rule = ATTRIBUTES.get(name)
            if rule is None or (only is not None and name not in only) or not rule.values.fits(value):
                self._tally.drop(self._signal, "unlisted")
            elif name == "tenant" and self._tenants is not None:
                passed[name] = self._capped(str(value), self._tenants)
            else:
                passed[name] = value  # type: ignore[assignment]  # what fits a rule is of these types
        return passed

    def _capped(self, tenant: str, most: int) -> str:
        with self._lock:
            if tenant not in self._known and len(self._known) < most:
                self._known.add(tenant)
            return tenant if tenant in self._known else OTHER
