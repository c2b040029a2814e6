"""Money: whole numbers of a currency's minor unit, and the one rounding that there is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies.errors import Refused

__all__ = ["Currency", "Money", "half_even", "share"]


class Currency(StrEnum):
    """A currency, by its ISO 4217 code."""

    EUR = "EUR"
    JPY = "JPY"
    USD = "USD"


DIGITS: Final = {Currency.EUR: 2, Currency.JPY: 0, Currency.USD: 2}  # digits of the minor unit, ISO 4217


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor unit of its currency: 140 cents, or 140 yen, which have no smaller unit."""

    amount: int
    currency: Currency

    def __add__(self, other: Money) -> Money:
        if self.currency is not other.currency:
            raise Refused(f"{self.currency} and {other.currency} cannot be added. Keep one sum for each currency.")
        return Money(self.amount + other.amount, self.currency)

    def __str__(self) -> str:
        digits, sign = DIGITS[self.currency], "-" if self.amount < 0 else ""
        whole, rest = divmod(abs(self.amount), 10**digits)
        return f"{sign}{whole}{f'.{rest:0{digits}}' if digits else ''} {self.currency}"


def share(money: Money, percent: int) -> Money:
    """So many per cent of an amount, rounded half to even: a service credit, for example."""
    return Money(half_even(money.amount * percent, 100), money.currency)


def half_even(amount: int, parts: int) -> int:
    """amount / parts as a whole number; a half goes to the even neighbour, so that halves do not add up to a bias."""
    whole, rest = divmod(amount, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))
