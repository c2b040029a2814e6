"""How much a tenant, or one of its keys, may ask for. Pure: the store counts and calls `hold` in one transaction.

Everything is counted from the jobs themselves, behind a lock on the tenant, so there is no counter that could drift and
no number of gateways that could slip past. A retry that finds its first attempt is no new job and breaks no quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serving.errors import Limited
from serving.meter.month import month_of

__all__ = ["MINUTE_MS", "Quota", "Tally", "hold"]

MINUTE_MS: Final = 60_000
OPEN_WAIT: Final = 10  # seconds after which it is worth asking whether an open job has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What may be asked for; None leaves a quantity open."""

    key: str = ""  # id of the one key that is meant; empty for all of a tenant's together
    per_minute: int | None = None  # films taken on in any 60 s
    open: int | None = None  # films that wait or are being made
    spend: int | None = None  # of films taken on in one calendar month, UTC, in the minor unit of the tenant's currency

    @property
    def whose(self) -> str:
        """For the sentence that a caller reads."""
        return "This key" if self.key else "This account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the store has counted of one quota's subject."""

    now: int  # milliseconds since 1970 UTC, by the store's clock
    edge: int | None  # when the film was taken on whose leaving makes room within `per_minute`; None when there is room
    open: int
    spent: int  # held or billed this month, minor unit


def hold(quota: Quota, tally: Tally, reserve: int) -> None:
    """Raises Limited when one more film of this price would break the quota; `reserve` is in the minor unit."""
    if quota.per_minute is not None and tally.edge is not None:
        wait_ms = tally.edge + MINUTE_MS - tally.now
        raise Limited(
            f"{quota.whose} may ask for {quota.per_minute} films a minute. Send the next one later.", _seconds(wait_ms)
        )
    if quota.open is not None and tally.open >= quota.open:
        raise Limited(
            f"{quota.whose} may have {quota.open} films under way, and has {tally.open}. Wait for one to end.",
            OPEN_WAIT,
        )
    if quota.spend is not None and tally.spent + reserve > quota.spend:
        raise Limited(
            f"{quota.whose} has reached its spending cap for this month. Ask the operator to raise it, or wait.",
            _seconds(month_of(tally.now).until - tally.now),
            quota=True,
        )


def _seconds(ms: int) -> int:
    """Whole seconds, rounded up, so that who waits them has waited long enough."""
    return max(1, -(-ms // 1000))
