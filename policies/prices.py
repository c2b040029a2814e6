"""What a clip costs: a price book as data, and a pure function from a clip and an instant to a quote.

Money is whole numbers of the currency's minor unit (cents; yen have none), and there is one rounding: each line is
computed exactly and rounded half to even, once, after its promotion. A total is the sum of its lines and is never
rounded itself, so what a client adds up is what the client pays. A book is dated; its digest stands in every quote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.canonical import Digest, encode, sha256
from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.errors import Refused
from policies.moments import Moment, written
from policies.money import Currency, Money, half_even
from policies.reading import parse

__all__ = [
    "Line",
    "PriceBook",
    "Promotion",
    "Quote",
    "Rate",
    "in_force",
    "load_prices",
    "parse_prices",
    "quote",
]

MOST_RATE: Final = 10**9  # of the minor unit for a second; more is a slip of the hand
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]
Amount = Annotated[int, Field(ge=0, le=MOST_RATE)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Rate(_Document):
    """Prices of one second at one size in one mode, in the minor unit."""

    currency: Currency
    resolution: Resolution
    mode: Mode
    per_second: Amount  # of the film that is delivered
    per_input_second: Amount = 0  # of the film that is edited or extended


class Promotion(_Document):
    """A discount between two instants: `from` belongs to it, `until` does not."""

    id: Name
    percent: Annotated[int, Field(ge=1, le=100)]
    begins: Moment = Field(validation_alias="from", serialization_alias="from")
    ends: Moment = Field(validation_alias="until", serialization_alias="until")
    modes: frozenset[Mode] = frozenset(Mode)
    resolutions: frozenset[Resolution] = frozenset(Resolution)

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begins >= self.ends:
            raise ValueError(f"promotion {self.id} ends before it begins")
        return self

    def covers(self, clip: ClipFacts, at: int) -> bool:
        """Whether a clip that is ordered at this instant gets it."""
        return self.begins <= at < self.ends and clip.mode in self.modes and clip.resolution in self.resolutions


class PriceBook(_Document):
    """All prices from an instant on."""

    v: Literal["equerry.prices/1"]
    version: Name
    example: bool  # true: nobody has offered these prices
    note: Annotated[str, Field(max_length=400)] = ""  # for people; decides nothing
    begins: Moment = Field(validation_alias="from", serialization_alias="from")
    rounding: Literal["half-even-per-line"]  # said in the document too, since it decides amounts
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=1_000)]
    promotions: Annotated[tuple[Promotion, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        for what, names in (
            ("rate", [f"{rate.currency} {rate.resolution} {rate.mode}" for rate in self.rates]),
            ("promotion", [promotion.id for promotion in self.promotions]),
        ):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise ValueError(f"{what} {name} occurs twice")
        return self

    def canonical(self) -> bytes:
        """The bytes that the digest names: every field, sets sorted."""
        return encode(_sorted(self.model_dump(mode="json", by_alias=True)))

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return sha256(self.canonical())

    def rate(self, currency: Currency, clip: ClipFacts) -> Rate:
        """The prices for such a clip. Raises Refused when the book has none."""
        wanted = (currency, clip.resolution, clip.mode)
        for rate in self.rates:
            if (rate.currency, rate.resolution, rate.mode) == wanted:
                return rate
        raise Refused(f"Price book {self.version} has no price in {currency} for {clip.mode} at {clip.resolution}.")

    def promotion(self, clip: ClipFacts, at: int) -> Promotion | None:
        """The best promotion for the client. They do not add up; of equals, the one that is first by id."""
        live = [each for each in self.promotions if each.covers(clip, at)]
        return min(live, key=lambda each: (-each.percent, each.id), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One position of a quote."""

    what: Literal["output", "input"]
    ms: int  # length that is charged
    per_second: int  # minor unit, before the promotion
    percent: int  # off
    full: Money  # without the promotion
    price: Money  # what is charged


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one clip costs, and by which document."""

    book: Digest
    version: str
    promotion: str | None  # id
    at: int  # the instant that decided, milliseconds since 1970 UTC: when the order was accepted
    lines: tuple[Line, ...]
    total: Money  # the sum of the lines


def quote(book: PriceBook, clip: ClipFacts, currency: Currency, at: int) -> Quote:
    """The price of a clip ordered at `at`. Raises Refused when the book has no price, or is not in force yet."""
    if at < book.begins:
        raise Refused(f"Price book {book.version} is in force from {written(book.begins)}. Use the one before it.")
    rate, promotion = book.rate(currency, clip), book.promotion(clip, at)
    percent = 0 if promotion is None else promotion.percent
    lines = [_line("output", clip.output_ms, rate.per_second, percent, currency)]
    if clip.input_ms:
        lines.append(_line("input", clip.input_ms, rate.per_input_second, percent, currency))
    total = sum((line.price for line in lines), start=Money(0, currency))
    return Quote(
        book=book.digest,
        version=book.version,
        promotion=None if promotion is None else promotion.id,
        at=at,
        lines=tuple(lines),
        total=total,
    )


def in_force(books: Iterable[PriceBook], at: int) -> PriceBook:
    """The latest book that has begun. Raises Refused when none has, or when two begin together and differ."""
    begun = sorted((book for book in books if book.begins <= at), key=lambda book: book.begins)
    if not begun:
        raise Refused(f"No price book is in force at {written(at)}. Add one that begins by then.")
    if len({book.digest for book in begun if book.begins == begun[-1].begins}) > 1:
        raise Refused(f"Two price books begin at {written(begun[-1].begins)}. Take one of them away.")
    return begun[-1]


def parse_prices(text: bytes) -> PriceBook:
    """A price book from JSON. Raises Malformed with the field that is wrong."""
    return parse(PriceBook, text, "price book")


def load_prices() -> PriceBook:
    """The price book that is shipped: an example to copy, as it says itself."""
    return parse_prices((files("policies") / "data" / "prices.json").read_bytes())


def _line(what: Literal["output", "input"], ms: int, per_second: int, percent: int, currency: Currency) -> Line:
    full, price = (Money(half_even(ms * per_second * part, 100_000), currency) for part in (100, 100 - percent))
    return Line(what=what, ms=ms, per_second=per_second, percent=percent, full=full, price=price)


def _sorted(value: Any) -> Any:
    """The same JSON with the arrays of words sorted, which were sets; other arrays keep their order."""
    if isinstance(value, dict):
        return {name: _sorted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted(value) if all(isinstance(each, str) for each in value) else [_sorted(each) for each in value]
    return value
