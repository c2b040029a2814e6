"""When a film is foretold to begin, if others keep coming and go first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sla.forecast import LEAST_MS, MOST, RUSH, RUSH_MS, Calm, Forecast, begins, forecast_of, served
from serving.sla.line import Line, Waiting
from serving.sla.pace import Sample
from serving.sla.shares import RATE_MS, Refused

NOW = 1_800_000_000_000  # ms
GOLD, SILVER = 20_000, 120_000  # patience, ms
MINUTE = 60_000

parts = st.lists(st.tuples(st.integers(0, 3_600_000), st.floats(0, 0.3)), max_size=3)


def line(*waiting: Waiting, now: int = NOW) -> Line:
    return Line(now=now, hands=2, busy_ms=(), waiting=waiting)


def done(hand_ms: int, *, ago: int = 1_000, patience: int = GOLD) -> Sample:
    return Sample(kind="t2v", work=1, hand_ms=hand_ms, patience_ms=patience, ordered=0, done=NOW - ago)


SOMEBODY = Waiting(0, NOW + MINUTE, NOW, "a" * 32, 10_000)


def test_where_nobody_else_comes_a_film_begins_when_the_line_says():
    assert begins(5_000, 3_600_000, Forecast()) == 5_000


def test_in_a_rush_that_takes_all_but_a_part_a_patient_film_waits_for_its_end_and_then_for_the_usual_ones():
    rush = Forecast(rush=((GOLD, 0.4), (SILVER, 0.5)), lasts_ms=5 * MINUTE, calm=((GOLD, 0.1), (SILVER, 0.3)))

    # A tenth of five minutes is half a minute of the two; the rest goes on at 0.6 of the hands.
    assert begins(2 * MINUTE, 3_600_000, rush) == pytest.approx((5 + 1.5 / 0.6) * MINUTE)


def test_who_is_more_patient_does_not_go_first():
    assert begins(MINUTE, SILVER, Forecast(rush=((SILVER, 0.5), (3_600_000, 0.4)), lasts_ms=RUSH_MS)) == MINUTE


@given(start=st.floats(0, 10**7), patience=st.integers(0, 10**7), rush=parts, calm=parts, lasts=st.integers(0, 10**6))
def test_the_start_is_where_the_hands_time_comes_out(start, patience, rush, calm, lasts):
    """Time from now to the start, less what those who go first take of it, is the line's own time."""
    found = begins(start, patience, Forecast(tuple(rush), lasts, tuple(calm)))
    taken = 0.0
    for some, begin, end in ((rush, 0, lasts), (calm, lasts, patience)):
        for other, part in some:
            taken += part * max(0.0, min(end, patience - other, found) - begin)

    assert found >= start
    assert found - taken == pytest.approx(start, rel=1e-6, abs=1e-3)


@given(
    starts=st.tuples(st.floats(0, 10**6), st.floats(0, 10**6)),
    shares=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 3)), max_size=4),
)
def test_who_stands_further_behind_never_begins_earlier_and_nobody_waits_for_ever(starts, shares):
    forecast = Forecast(tuple(shares), RUSH_MS, tuple(shares))
    near, far = (begins(start, 10**6, forecast) for start in sorted(starts))

    assert near <= far <= max(starts) / (1 - MOST) + 1e-3


def test_what_was_served_lately_is_told_by_class():
    found = served([done(60_000), done(24_000, patience=SILVER + 1), done(99_000, ago=RATE_MS + 1)], NOW, hands=2)

    assert dict(found) == pytest.approx({GOLD: 0.25, SILVER: 0.1})


def test_a_large_cells_newest_films_tell_of_a_short_time():
    found = served([done(15_000, ago=1), done(15_000, ago=30_000)], NOW, hands=2)

    assert dict(found) == pytest.approx({GOLD: 0.25})  # 15 of 60 s: the one of 30 s ago begins what is told of
    assert served([done(LEAST_MS)], NOW, hands=1) == ((GOLD, 1.0),)


def asked(cost_ms: int, *, ago: int = 1_000) -> Waiting:
    """One that waits, ordered so long ago."""
    return Waiting(0, NOW + MINUTE, NOW - ago, "a" * 32, cost_ms)


def test_a_rush_is_foretold_where_somebody_waits_and_more_is_asked_for_than_can_be_made():
    rush = asked(round(2 * MINUTE * RUSH))

    assert forecast_of([], line(rush), ()).lasts_ms == RUSH_MS
    assert forecast_of([done(9 * MINUTE)], line(), ()).lasts_ms == 0


def test_who_is_refused_has_asked_too():
    refused = [Refused(NOW - 1_000, GOLD, round(2 * MINUTE * RUSH))]

    assert forecast_of([], line(SOMEBODY), ()).lasts_ms == 0
    assert forecast_of([], line(SOMEBODY), (), refused).lasts_ms == RUSH_MS


def test_a_line_that_is_only_worked_off_is_no_rush():
    assert forecast_of([done(9 * MINUTE)], line(asked(9 * MINUTE, ago=MINUTE)), ()).lasts_ms == 0


def test_quiet_times_are_learnt_while_nobody_waits():
    calm = Calm()
    looks = [
        ({}, 0, ()),
        ({GOLD: 0.1}, 1, ()),
        ({GOLD: 0.9}, 2, (SOMEBODY,)),
        ({GOLD: 0.3, SILVER: 0.1}, 2, ()),
        ({}, 0, ()),
    ]
    for minute, (parts_, busy, waiting) in enumerate(looks):
        calm.look(tuple(parts_.items()), replace(line(*waiting, now=NOW + minute * MINUTE), busy_ms=(9,) * busy))

    # A minute with one of two hands busy, one of a rush, one with both, one with none. What they do is of classes that
    # were finished lately; the first look begins the time.
    assert dict(calm.parts) == pytest.approx({GOLD: (0.5 + 0.75) / 3, SILVER: 0.25 / 3})


def test_busy_hands_of_which_nothing_was_finished_yet_say_nothing():
    calm = Calm()
    for minute in range(3):
        calm.look((), replace(line(now=NOW + minute * MINUTE), busy_ms=(9,)))

    assert calm.parts == ()
