"""What films cost to make, against what they are sold for: by tenant, model and kind of film. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.money import Currency, Money, half_even
from policies.prices import PriceBook
from serving.meter.statement import priced
from serving.meter.usage import Billed

__all__ = ["Cost", "costs"]

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Films of one tenant, model, class of service and kind, in one currency."""

    tenant: str
    model: str
    service: str
    kind: str  # mode and resolution
    films: int
    film_ms: int  # that were delivered
    engine_ms: int  # that the engine took, this film's part of its batches
    hand_ms: int  # that studios were busy, rendering and marking included
    income: Money
    cost: Money | None  # of the engine's time; None where nobody has said what an hour costs

    @property
    def engine_per_second(self) -> float:
        """Seconds of engine for a second of film."""
        return self.engine_ms / self.film_ms if self.film_ms else 0.0

    @property
    def loses(self) -> bool:
        """Whether making these films costs more than they bring."""
        return self.cost is not None and self.cost.amount > self.income.amount

    def shown(self) -> dict[str, Any]:
        """For scripts; money in the minor unit."""
        return {
            "tenant": self.tenant,
            "model": self.model,
            "service": self.service,
            "kind": self.kind,
            "films": self.films,
            "film_seconds": self.film_ms / 1000,
            "engine_seconds": self.engine_ms / 1000,
            "studio_seconds": self.hand_ms / 1000,
            "engine_seconds_per_film_second": round(self.engine_per_second, 4),
            "currency": self.income.currency.value,
            "income": self.income.amount,
            "cost": None if self.cost is None else self.cost.amount,
            "loses": self.loses,
        }


def costs(rows: Iterable[Billed], books: Sequence[PriceBook], currency: Currency, engine_hour: int) -> list[Cost]:
    """All groups, those that lose most first. `engine_hour` is in the minor unit of `currency`; 0 is unknown.

    Films that are sold in another currency have no cost in money: rates of exchange are nobody's here.
    """
    groups: dict[tuple[str, str, str, str, Currency], list[tuple[Billed, Money]]] = defaultdict(list)
    for row in rows:
        money = row.terms.money if row.terms is not None else priced(row, books, currency)
        service, kind = (row.terms.service, row.terms.kind) if row.terms is not None else ("", row.mode)
        groups[row.tenant, row.model, service, kind, money.currency].append((row, money))
    hour = {currency: engine_hour} if engine_hour else {}
    found = [_cost(name, films, hour.get(name[-1])) for name, films in groups.items()]
    return sorted(found, key=lambda each: (_margin(each), each.tenant, each.model, each.service, each.kind))


def _cost(name: tuple[str, str, str, str, Currency], films: Sequence[tuple[Billed, Money]], hour: int | None) -> Cost:
    tenant, model, service, kind, currency = name
    engine_ms = sum(row.engine_ms for row, _ in films)
    return Cost(
        tenant=tenant,
        model=model,
        service=service,
        kind=kind,
        films=len(films),
        film_ms=sum(row.ms for row, _ in films),
        engine_ms=engine_ms,
        hand_ms=sum(row.hand_ms for row, _ in films),
        income=sum((money for _, money in films), start=Money(0, currency)),
        cost=None if hour is None else Money(half_even(engine_ms * hour, HOUR_MS), currency),
    )


def _margin(each: Cost) -> int:
    return each.income.amount - (each.cost.amount if each.cost is not None else 0)
