"""What a simulation has counted. Sums of parts are sums of fields, so parts can be counted apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

__all__ = ["ServiceTally", "Tally"]


@dataclass(slots=True, kw_only=True)
class ServiceTally:
    """Films of one class of service."""

    asked: int = 0
    accepted: int = 0
    wait_kept: int = 0
    kept: int = 0  # both parts of the promise


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts; times in milliseconds, money in the minor unit."""

    requests: int = 0
    strays: int = 0  # sent to a cell where they may not run
    refused_at_the_border: int = 0  # of these
    nowhere: int = 0  # that may run in no cell
    violations: int = 0  # begun where the second opinion says no
    accepted: int = 0
    elsewhere: int = 0  # of these, by another lawful cell than the client's first
    delivered: int = 0
    resumed: int = 0  # broken off by an outage and taken up again
    turned: Counter[str] = field(default_factory=Counter)  # away, by the reason
    services: dict[str, ServiceTally] = field(default_factory=dict)
    eta_errors: list[float] = field(default_factory=list)  # relative, of a sample
    revenue: Counter[str] = field(default_factory=Counter)  # by currency
    made: Counter[str] = field(default_factory=Counter)  # films by tier
    earned: Counter[str] = field(default_factory=Counter)  # EUR only, by tier
    paid_films: Counter[str] = field(default_factory=Counter)  # EUR only, by tier
    paid_hand_ms: Counter[str] = field(default_factory=Counter)  # of these
    hand_ms: int = 0  # spent on films
    up_ms: int = 0  # of hands, busy or not
    lasted_ms: int = 0

    @property
    def lost(self) -> int:
        """Accepted and never delivered."""
        return self.accepted - self.delivered

    def service(self, name: str) -> ServiceTally:
        """The counts of a class."""
        return self.services.setdefault(name, ServiceTally())

    def add(self, other: Tally) -> None:
        """Another part's counts."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            elif isinstance(mine, list):
                mine.extend(theirs)
            elif isinstance(mine, int):
                setattr(self, each.name, max(mine, theirs) if each.name == "lasted_ms" else mine + theirs)
        for name, told in other.services.items():
            own = self.service(name)
            for each in fields(own):
                setattr(own, each.name, getattr(own, each.name) + getattr(told, each.name))
