"""Whether bills, jobs and the residency log tell the same story. Pure: three lists in, findings out.

Each film that was delivered is billed once; each bill has a film that was marked, by the log's own entries; and each
price is the one that the book of that day asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from policies.money import Currency, Money
from policies.prices import PriceBook
from serving.errors import Broken
from serving.jobs.accounts import Delivered
from serving.meter.month import Month
from serving.meter.statement import priced
from serving.meter.usage import Billed

__all__ = ["Finding", "Reconciled", "reconcile"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit."""

    code: str
    job: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What was compared, and what does not fit."""

    month: Month
    delivered: int
    billed: int
    logged: int | None  # of the billed; None when no log was read
    totals: tuple[Money, ...]
    findings: tuple[Finding, ...]


def reconcile(
    month: Month,
    rows: Iterable[Billed],
    delivered: Iterable[Delivered],
    marked: Collection[str] | None,
    books: Sequence[PriceBook],
    currency: Currency,
) -> Reconciled:
    """`marked` are the jobs whose film the log says was marked; None leaves the log out.

    A film and its bill are written in one transaction, and may still fall on two sides of a month's last millisecond;
    so the rows and deliveries may reach beyond the month, and only what lies in it is judged.
    """
    bills, ends = list(rows), list(delivered)
    films = {each.job for each in ends}
    mine = [row for row in bills if month.since <= row.at < month.until]
    found = [*_twice(bills), *_unbilled(month, ends, {row.job for row in bills})]
    for row in mine:
        found += _of(row, films, marked, books, currency)
    sums: Counter[Currency] = Counter()
    for row in mine:
        if row.terms is not None:
            sums[row.terms.currency] += row.terms.price
    return Reconciled(
        month=month,
        delivered=sum(month.since <= each.at < month.until for each in ends),
        billed=len(mine),
        logged=None if marked is None else sum(row.job in marked for row in mine),
        totals=tuple(Money(amount, unit) for unit, amount in sorted(sums.items())),
        findings=tuple(found),
    )


def _twice(rows: Sequence[Billed]) -> Iterator[Finding]:
    for job, times in Counter(row.job for row in rows).items():
        if times > 1:
            yield Finding("billed.twice", job, f"The film is billed {times} times.")


def _unbilled(month: Month, ends: Sequence[Delivered], billed: Collection[str]) -> Iterator[Finding]:
    for each in ends:
        if month.since <= each.at < month.until and each.job not in billed:
            yield Finding("delivered.unbilled", each.job, "The film was delivered, and no usage row says so.")


def _of(
    row: Billed, films: Collection[str], marked: Collection[str] | None, books: Sequence[PriceBook], currency: Currency
) -> Iterator[Finding]:
    if row.job not in films:
        yield Finding("billed.undelivered", row.job, "The film is billed, and its job has not succeeded.")
    if marked is not None and row.job not in marked:
        yield Finding("billed.unmarked", row.job, "The film is billed, and the log has no entry that it was marked.")
    try:
        asked = priced(row, books, currency)
    except Broken as error:
        yield Finding("price.unknown", row.job, str(error))
        return
    if row.terms is not None and asked != row.terms.money:
        yield Finding("price.differs", row.job, f"Agreed are {row.terms.money}; the book asks for {asked}.")
