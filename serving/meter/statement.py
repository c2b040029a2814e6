"""What a tenant owes for a month: one line for each film that was delivered in it. Pure.

A film costs what was agreed when its job was taken on, by the book and the promotion of that instant. A film that was
asked for on the last day and delivered on the first stands in the new month, at the old month's price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from policies.clip_facts import ClipFacts, Mode, resolution_of
from policies.errors import PolicyError
from policies.moments import written
from policies.money import Currency, Money
from policies.prices import PriceBook, in_force, quote
from serving.errors import Broken
from serving.meter.month import Month
from serving.meter.usage import Billed

__all__ = ["Line", "Statement", "priced", "statement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One film."""

    job: str
    ordered: int  # milliseconds since 1970 UTC
    delivered: int
    key: str
    model: str
    mode: str
    resolution: str
    output_ms: int
    input_ms: int
    book: str  # version
    promotion: str | None
    price: Money

    def shown(self) -> dict[str, Any]:
        """For scripts; money in the minor unit."""
        return {
            "job": self.job,
            "ordered": written(self.ordered),
            "delivered": written(self.delivered),
            "key": self.key,
            "model": self.model,
            "mode": self.mode,
            "resolution": self.resolution,
            "output_ms": self.output_ms,
            "input_ms": self.input_ms,
            "book": self.book,
            "promotion": self.promotion,
            "amount": self.price.amount,
            "currency": self.price.currency.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All films of a tenant in a month, and one sum for each currency."""

    tenant: str
    month: Month
    lines: tuple[Line, ...]  # by delivery

    @property
    def totals(self) -> dict[Currency, Money]:
        """The sums of the lines, by currency."""
        sums: dict[Currency, Money] = {}
        for line in self.lines:
            currency = line.price.currency
            sums[currency] = sums.get(currency, Money(0, currency)) + line.price
        return dict(sorted(sums.items()))

    def shown(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "v": "equerry.statement/1",
            "tenant": self.tenant,
            "month": str(self.month),
            "films": len(self.lines),
            "seconds": sum(line.output_ms for line in self.lines) / 1000,
            "totals": [{"amount": m.amount, "currency": m.currency.value} for m in self.totals.values()],
            "lines": [line.shown() for line in self.lines],
        }


def statement(
    tenant: str, month: Month, rows: Iterable[Billed], books: Sequence[PriceBook], currency: Currency
) -> Statement:
    """The statement over a tenant's usage rows of a month. `books` and `currency` price rows without terms.

    Raises Broken for such a row that no book prices.
    """
    mine = [row for row in rows if row.tenant == tenant and month.since <= row.at < month.until]
    ordered = sorted(mine, key=lambda row: (row.at, row.job))
    return Statement(tenant=tenant, month=month, lines=tuple(_line(row, books, currency) for row in ordered))


def priced(row: Billed, books: Sequence[PriceBook], currency: Currency) -> Money:
    """What the book that was in force asks for this film. Raises Broken when there is none."""
    facts = _facts(row)
    wanted = row.terms.currency if row.terms is not None else currency
    try:
        named = [book for book in books if row.terms is not None and book.digest == row.terms.book]
        return quote(named[0] if named else in_force(books, row.ordered), facts, wanted, row.ordered).total
    except PolicyError as error:
        raise Broken(f"Job {row.job} has no price. {error}") from None


def _line(row: Billed, books: Sequence[PriceBook], currency: Currency) -> Line:
    terms, facts = row.terms, _facts(row)
    return Line(
        job=row.job,
        ordered=row.ordered,
        delivered=row.at,
        key=row.key,
        model=row.model,
        mode=facts.mode.value,
        resolution=facts.resolution.value,
        output_ms=facts.output_ms,
        input_ms=facts.input_ms,
        book=terms.version if terms is not None else "",
        promotion=terms.promotion if terms is not None else None,
        price=terms.money if terms is not None else priced(row, books, currency),
    )


def _facts(row: Billed) -> ClipFacts:
    if row.terms is not None:
        return row.terms.facts
    try:
        return ClipFacts(mode=Mode(row.mode), resolution=resolution_of(row.width, row.height), output_ms=row.ms)
    except (ValueError, PolicyError):
        raise Broken(f"The usage row of job {row.job} does not say what was made. Restore it from a copy.") from None
