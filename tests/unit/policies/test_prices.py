"""What a clip costs, to the last cent, and at which instant that changes."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.clip_facts import ClipFacts, Mode, Resolution, resolution_of
from policies.errors import Malformed, PolicyError, Refused
from policies.moments import moment, written
from policies.money import Currency, Money, half_even, share
from policies.prices import PriceBook, Promotion, Rate, in_force, load_prices, parse_prices, quote

BOOK = load_prices()
LAUNCH = BOOK.promotions[0]
CLIP = ClipFacts(mode=Mode.T2V, resolution=Resolution.P720, output_ms=5_000)
BEFORE = LAUNCH.begins - 1

clips = st.builds(
    ClipFacts,
    mode=st.sampled_from(Mode),
    resolution=st.sampled_from(Resolution),
    output_ms=st.integers(1, 60_000),
    input_ms=st.integers(0, 60_000),
)
currencies = st.sampled_from(Currency)
instants = st.integers(BOOK.begins, BOOK.begins + 90 * 86_400_000)
promotions = st.builds(
    lambda number, percent, begins, lasts: Promotion(
        id=f"p{number}", percent=percent, begins=begins, ends=begins + lasts
    ),
    st.integers(0, 9),
    st.integers(1, 100),
    instants,
    st.integers(1, 10**10),
)


def book_of(rate=7, per_input=0, promoted=(), begins=0, version="test"):
    rates = [
        Rate(currency=currency, resolution=resolution, mode=mode, per_second=rate, per_input_second=per_input)
        for currency in Currency
        for resolution in Resolution
        for mode in Mode
    ]
    return PriceBook(
        v="equerry.prices/1",
        version=version,
        example=True,
        begins=begins,
        rounding="half-even-per-line",
        rates=tuple(rates),
        promotions=tuple(promoted),
    )


books = st.builds(
    book_of,
    rate=st.integers(0, 500),
    per_input=st.integers(0, 500),
    promoted=st.lists(promotions, max_size=4, unique_by=lambda each: each.id),
)


# Laws


@given(books, clips, currencies, instants)
def test_a_total_is_the_sum_of_its_lines(book, clip, currency, at):
    found = quote(book, clip, currency, at)

    assert found.total == Money(sum(line.price.amount for line in found.lines), currency)


@given(books, clips, currencies, instants)
def test_no_promotion_makes_a_price_negative_or_higher(book, clip, currency, at):
    for line in quote(book, clip, currency, at).lines:
        assert 0 <= line.price.amount <= line.full.amount


@given(books, clips, currencies, instants)
def test_a_line_is_within_half_a_unit_of_the_exact_price(book, clip, currency, at):
    for line in quote(book, clip, currency, at).lines:
        exact = Fraction(line.ms * line.per_second * (100 - line.percent), 100_000)
        assert abs(line.price.amount - exact) <= Fraction(1, 2)


@given(books, clips, currencies, instants, st.integers(0, 10_000))
def test_a_longer_film_never_costs_less(book, clip, currency, at, more):
    longer = ClipFacts(
        mode=clip.mode, resolution=clip.resolution, output_ms=clip.output_ms + more, input_ms=clip.input_ms
    )

    assert quote(book, clip, currency, at).total.amount <= quote(book, longer, currency, at).total.amount


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_rounding_is_that_of_the_standard(amount, parts):
    assert half_even(amount, parts) == round(Fraction(amount, parts))


@given(st.integers(0, 10**9), currencies, st.integers(0, 100))
def test_a_share_and_its_rest_differ_from_the_whole_by_one_unit_at_most(amount, currency, percent):
    parts = share(Money(amount, currency), percent) + share(Money(amount, currency), 100 - percent)

    assert abs(parts.amount - amount) <= 1


@given(promotions, clips, instants)
def test_the_best_promotion_wins_and_they_never_add_up(promotion, clip, at):
    lesser = Promotion(id="aa", percent=1, begins=0, ends=2 * 10**12)
    assume(promotion.percent > 1)

    found = quote(book_of(promoted=(lesser, promotion)), clip, Currency.EUR, at)

    best = promotion if promotion.covers(clip, at) else lesser
    assert (found.promotion, found.lines[0].percent) == (best.id, best.percent)


@given(st.integers(0, 253_402_300_799))
def test_an_instant_that_is_written_is_read_back(seconds):
    assert moment(written(seconds * 1000)) == seconds * 1000


# The launch, to the millisecond


def test_the_launch_takes_forty_per_cent_off_for_exactly_two_weeks():
    assert (LAUNCH.percent, LAUNCH.ends - LAUNCH.begins) == (40, 14 * 86_400_000)


@pytest.mark.parametrize(
    ("at", "promotion", "total"),
    [
        (LAUNCH.begins - 1, None, 60),
        (LAUNCH.begins, "launch-2026", 36),
        (LAUNCH.ends - 1, "launch-2026", 36),
        (LAUNCH.ends, None, 60),
    ],
)
def test_the_launch_begins_and_ends_at_its_instants(at, promotion, total):
    found = quote(BOOK, CLIP, Currency.EUR, at)

    assert (found.promotion, found.total, found.at) == (promotion, Money(total, Currency.EUR), at)


def test_the_launch_begins_at_midnight_in_utc_and_not_elsewhere():
    assert written(LAUNCH.begins) == "2026-12-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01",
        "2026-12-01T00:00:00",
        "2026-12-01T00:00:00+01:00",
        "2026-12-01T00:00:00.5Z",
        "2026-02-30T00:00:00Z",
        "2026-12-01 00:00:00Z",
        "２026-12-01T00:00:00Z",
        "2026-12-01T24:00:00Z",
        "",
        "Z" * 1000,
    ],
)
def test_an_instant_that_is_not_written_in_utc_is_refused(text):
    with pytest.raises(Malformed):
        moment(text)


# Quotes


def test_a_quote_names_the_book_by_digest():
    assert quote(BOOK, CLIP, Currency.EUR, BEFORE).book == BOOK.digest


def test_yen_have_no_minor_unit():
    found = quote(BOOK, CLIP, Currency.JPY, BEFORE)

    assert (str(found.total), str(Money(100, Currency.EUR)), str(Money(-5, Currency.USD))) == (
        "100 JPY",
        "1.00 EUR",
        "-0.05 USD",
    )


def test_an_edit_is_charged_for_what_is_read_and_what_is_made():
    clip = ClipFacts(mode=Mode.EDIT, resolution=Resolution.P1080, output_ms=2_500, input_ms=3_250)

    found = quote(BOOK, clip, Currency.EUR, BEFORE)

    assert [(line.what, line.full.amount) for line in found.lines] == [("output", 60), ("input", 20)]  # 19.5 to even
    assert found.total == Money(80, Currency.EUR)


def test_an_order_before_the_book_begins_has_no_price():
    with pytest.raises(Refused, match="in force from 2026-11-01"):
        quote(BOOK, CLIP, Currency.EUR, BOOK.begins - 1)


@given(clips, currencies)
def test_the_shipped_book_has_a_price_for_everything_that_can_be_made(clip, currency):
    assert quote(BOOK, clip, currency, BEFORE).total.amount >= 0


def test_a_mode_or_resolution_without_a_price_is_refused():
    only = BOOK.model_copy(update={"rates": BOOK.rates[:1]})

    with pytest.raises(Refused, match="no price in EUR for t2v at 720p"):
        quote(only, CLIP, Currency.EUR, BEFORE)


def test_amounts_of_different_currencies_are_not_added():
    with pytest.raises(Refused, match="cannot be added"):
        Money(1, Currency.EUR) + Money(1, Currency.JPY)


@pytest.mark.parametrize("length", [0, -1, 3_600_001])
def test_a_clip_without_a_length_or_with_an_absurd_one_is_refused(length):
    with pytest.raises(Refused):
        ClipFacts(mode=Mode.T2V, resolution=Resolution.P720, output_ms=length)


@pytest.mark.parametrize(
    ("width", "height", "tier"),
    [
        (80, 48, "480p"),
        (832, 480, "480p"),
        (720, 1280, "720p"),
        (960, 960, "720p"),
        (1792, 1024, "1080p"),
        (4096, 2160, "1080p"),
    ],
)
def test_a_size_belongs_to_the_tier_of_the_nearest_area(width, height, tier):
    assert resolution_of(width, height) == tier


@pytest.mark.parametrize(("width", "height"), [(0, 480), (832, -1), (70_000, 480)])
def test_a_size_that_no_film_has_belongs_to_no_tier(width, height):
    with pytest.raises(Refused):
        resolution_of(width, height)


# Books


def test_the_latest_book_that_has_begun_is_in_force():
    old, new = book_of(begins=1000, version="old"), book_of(begins=2000, version="new")

    assert [in_force([new, old], at).version for at in (1000, 1999, 2000, 9999)] == ["old", "old", "new", "new"]


def test_before_every_book_there_is_none():
    with pytest.raises(Refused, match="No price book"):
        in_force([BOOK], BOOK.begins - 1)


def test_two_books_that_begin_together_are_refused():
    with pytest.raises(Refused, match="Two price books"):
        in_force([book_of(rate=1), book_of(rate=2)], 5)


def test_a_digest_does_not_depend_on_layout_and_does_on_every_price():
    text = json.loads(json.dumps(BOOK.model_dump(mode="json", by_alias=True)))
    text["rates"][0]["per_second"] += 1

    assert parse_prices(json.dumps(BOOK.model_dump(mode="json", by_alias=True), indent=9).encode()) == BOOK
    assert parse_prices(json.dumps(text).encode()).digest != BOOK.digest


def changed(**fields):
    return json.dumps({**BOOK.model_dump(mode="json", by_alias=True), **fields}).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "v"),
        (b'{"v": "equerry.prices/1", "v": "equerry.prices/1"}', "twice"),
        (b" " * (2 << 20), "bytes"),
        (changed(v="equerry.prices/2"), "v"),
        (changed(colour="red"), "colour"),
        (changed(rates=[]), "rates"),
        (changed(rates=[{"currency": "EUR", "resolution": "720p", "mode": "t2v", "per_second": 1.5}]), "per_second"),
        (changed(rates=[{"currency": "EUR", "resolution": "720p", "mode": "t2v", "per_second": -1}]), "per_second"),
        (changed(rates=[{"currency": "GBP", "resolution": "720p", "mode": "t2v", "per_second": 1}]), "currency"),
        (changed(rates=[{"currency": "EUR", "resolution": "720p", "mode": "t2v", "per_second": 1}] * 2), "twice"),
        (changed(rounding="up"), "rounding"),
    ],
)
def test_a_book_that_does_not_hold_is_refused_at_the_field_that_is_wrong(text, words):
    with pytest.raises(Malformed, match=words):
        parse_prices(text)


@pytest.mark.parametrize(
    "promotion",
    [
        {"percent": 101},
        {"percent": 0},
        {"percent": True},
        {"percent": 40.0},
        {"until": "2026-12-01T00:00:00Z"},
        {"until": "2026-11-30T00:00:00Z"},
        {"id": "../../x"},
    ],
)
def test_a_promotion_that_does_not_hold_is_refused(promotion):
    good = {"id": "x", "percent": 40, "from": "2026-12-01T00:00:00Z", "until": "2026-12-15T00:00:00Z"}
    assert parse_prices(changed(promotions=[good])).promotions[0].percent == 40

    with pytest.raises(Malformed):
        parse_prices(changed(promotions=[{**good, **promotion}]))


@given(st.binary(max_size=400))
def test_no_bytes_make_the_parser_crash(text):
    with pytest.raises(PolicyError):
        parse_prices(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(BOOK.model_dump(by_alias=True))), json_values)
def test_no_value_in_any_field_makes_the_parser_crash(field, value):
    with suppress(Malformed):
        parse_prices(changed(**{field: value}))
