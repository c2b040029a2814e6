"""What a cell learns of its own speed, and of who comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sla.line import Line, Waiting
from serving.sla.pace import Estimate, Sample, learn
from serving.sla.shares import Refused, Shares, overtaken, shares_of

NOW = 1_800_000_000_000


def sample(hand_ms: int, work: int = 1_000, kind: str = "t2v/480p", ordered: int = NOW - 1_000) -> Sample:
    return Sample(kind=kind, work=work, hand_ms=hand_ms, patience_ms=20_000, ordered=ordered)


def test_a_cell_that_has_made_nothing_takes_its_operators_word():
    assert learn([]).estimate("t2v/480p", 500, 7_000).ms == 7_000


def test_time_goes_with_work():
    pace = learn([sample(2_000), sample(2_200), sample(1_800)])

    assert pace.estimate("t2v/480p", 3_000, 1).ms == 6_000


def test_a_kind_has_its_own_pace_once_three_of_it_were_made():
    pace = learn([sample(1_000), sample(1_000), sample(1_000), *[sample(9_000, kind="t2v/720p")] * 2])
    more = learn([sample(1_000), sample(1_000), sample(1_000), *[sample(9_000, kind="t2v/720p")] * 3])

    assert pace.estimate("t2v/720p", 1_000, 1).ms == 1_000
    assert more.estimate("t2v/720p", 1_000, 1).ms == 9_000


def test_one_film_that_hung_does_not_slow_the_cell():
    pace = learn([*[sample(1_000)] * 9, sample(500_000)])

    assert pace.estimate("t2v/480p", 1_000, 1) == Estimate(1_000, 1_000, 0.02)


def test_a_film_that_several_studios_shared_says_nothing():
    assert learn([sample(0)]).pooled is None


@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(1, 10**9)), min_size=1, max_size=40))
def test_whatever_was_measured_gives_a_usable_estimate(films):
    found = learn([sample(ms, work) for work, ms in films]).estimate("t2v/480p", 10**6, 1)

    assert found.ms >= found.least_ms >= 1
    assert 0.02 <= found.spread <= 1


def line(*waiting: Waiting, hands: int = 2) -> Line:
    return Line(now=NOW, hands=hands, busy_ms=(), waiting=waiting)


def test_shares_are_of_what_was_taken_on_lately_done_or_waiting_or_refused():
    old = sample(60_000, ordered=NOW - 200_000)
    waiting = Waiting(0, NOW + 90_000, NOW - 30_000, "a" * 32, 24_000)
    found = shares_of([sample(48_000), old], line(waiting), [Refused(NOW - 5_000, 20_000, 24_000)])

    assert dict(found.taken) == pytest.approx({20_000: 0.3, 120_000: 0.1})


def test_others_are_never_expected_to_take_all():
    found = shares_of([sample(10**6), sample(10**6)], line())

    assert sum(share for _, share in found.taken) == pytest.approx(0.9)


@given(
    start=st.floats(0, 10**6),
    patience=st.integers(0, 10**6),
    taken=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 0.2)), max_size=4),
    lasts=st.integers(60_000, 900_000),
)
def test_the_start_after_overtakers_is_where_the_sum_comes_out(start, patience, taken, lasts):
    found = overtaken(start, patience, Shares(tuple(taken), lasts))
    first = [(min(patience - p, lasts), share) for p, share in taken if p < patience]

    assert found == pytest.approx(start + sum(share * min(found, until) for until, share in first), rel=1e-6, abs=1e-3)
