"""Whether a film is taken on: pure decisions over a line."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.promises import Promise
from policies.sla import Rejection
from serving.sla.admission import Taken, Turned, consider
from serving.sla.line import Line, Waiting
from serving.sla.pace import Estimate
from serving.sla.shares import Shares

NOW = 1_800_000_000_000  # ms
SURE = Estimate(10_000, 9_000, 0.02)


def promise(wait_s: int = 20, video_s: int = 60) -> Promise:
    return Promise(service="gold", percentile=99, queue_wait_ms=wait_s * 1000, video_ms=video_s * 1000)


def line(*waiting: tuple[int, int], hands: int = 1, busy: tuple[int, ...] = ()) -> Line:
    """`waiting` are pairs: due in seconds from now, and seconds of work."""
    rows = [Waiting(0, NOW + due * 1000, NOW, f"{n:032d}", cost * 1000) for n, (due, cost) in enumerate(waiting)]
    return Line(now=NOW, hands=hands, busy_ms=tuple(each * 1000 for each in busy), waiting=tuple(sorted(rows)))


lines = st.builds(
    lambda waiting, hands, busy: line(*waiting, hands=hands, busy=tuple(busy)),
    st.lists(st.tuples(st.integers(-60, 600), st.integers(1, 60)), max_size=30),
    st.integers(1, 8),
    st.lists(st.integers(0, 60), max_size=8),
)


def test_an_idle_cell_takes_a_film_on_and_foretells_its_own_time():
    assert consider(line(), promise(), SURE) == Taken(slack_ms=20_000, eta_ms=10_000)


def test_a_film_that_would_begin_too_late_is_turned_away_until_it_would_not():
    found = consider(line(busy=(50,)), promise(wait_s=20), SURE)

    assert found == Turned(why=Rejection.QUEUE_FULL, retry_ms=30_000, patience_ms=20_000)


def test_the_slack_is_what_both_parts_of_a_promise_leave():
    assert consider(line(), promise(wait_s=20, video_s=15), SURE).slack_ms < 5_000  # type: ignore[union-attr]


def test_a_film_that_no_wait_can_help_is_refused_for_good():
    assert consider(line(), promise(video_s=8), SURE) == Turned(why=Rejection.TOO_LONG)


def test_a_line_without_hands_has_no_capacity_and_nothing_spills_over():
    assert consider(line(hands=0), promise(), SURE) == Turned(why=Rejection.NO_COMPLIANT_REGION)


def test_an_urgent_film_goes_before_a_patient_one_that_can_wait():
    assert isinstance(consider(line((100, 30), (100, 30)), promise(), SURE), Taken)


def test_an_urgent_film_is_turned_away_where_it_would_make_another_late():
    found = consider(line((25, 30), busy=(20,)), promise(), SURE)

    assert isinstance(found, Turned)
    assert found.why is Rejection.QUEUE_FULL


def test_one_who_is_late_anyway_turns_nobody_away():
    assert isinstance(consider(line((30, 1), busy=(0,)), promise(), SURE), Taken)
    late = line((5, 30), busy=(15,))

    assert isinstance(consider(late, promise(wait_s=60, video_s=120), SURE), Taken)


def test_who_waits_long_expects_to_be_overtaken():
    alone = consider(line(busy=(40,)), promise(wait_s=600, video_s=900), SURE)
    crowded = consider(
        line(busy=(40,)), promise(wait_s=600, video_s=900), SURE, Shares(((20_000, 0.5),), lasts_ms=600_000)
    )

    assert isinstance(alone, Taken)
    assert isinstance(crowded, Taken)
    assert crowded.eta_ms - alone.eta_ms == 40_000  # at half of the cell, everything takes twice as long


#: One film after the other becomes late, and each is a reason to wait on.
STAIRS = line((0, 1), (2, 3), (56, 60), (0, 52), (142, 42), (143, 16), (169, 18), (187, 39), (369, 60))
HIGH = line(*((20 * n, 19) for n in range(60)))


@settings(max_examples=200)
@given(line=lines, wait=st.integers(1, 600), cost=st.integers(1, 60), spread=st.floats(0.02, 0.5))
@example(line=STAIRS, wait=1, cost=1, spread=0.0234375)
@example(line=HIGH, wait=1, cost=3, spread=0.5)
def test_who_comes_back_when_told_is_taken_on_if_nobody_else_came(line, wait, cost, spread):
    asked = promise(wait_s=wait, video_s=wait + 4 * cost), Estimate(cost * 1000, cost * 1000, spread)
    found = consider(line, *asked)

    if isinstance(found, Turned):
        assert found.retry_ms > 0
        assert isinstance(consider(line.after(found.retry_ms), *asked), Taken)


@settings(max_examples=200)
@given(line=lines, wait=st.integers(1, 600), cost=st.integers(1, 60))
def test_nobody_becomes_late_by_a_film_that_is_taken_on(line, wait, cost):
    found = consider(line, promise(wait_s=wait, video_s=1_000), Estimate(cost * 1000, 1, 0.02))
    if not isinstance(found, Taken):
        return
    place = line.place(line.now + found.slack_ms)
    before, after = line.starts, line.starts_with(place, cost * 1000)

    assert after[place] <= found.slack_ms
    squares = sum(each.cost_ms**2 for each in line.waiting[:place])
    for waiting, old, new in zip(line.waiting[place:], before[place:], after[place + 1 :], strict=True):
        room = 0.02 * squares**0.5 / line.hands  # within which one is as good as late already
        assert line.now + new <= waiting.due or line.now + old > waiting.due - room
        squares += waiting.cost_ms**2


@given(line=lines, ms=st.integers(0, 600_000))
def test_time_moves_everybodys_start_and_changes_nobodys(line, ms):
    later = line.after(ms)
    left = {each.id: start - ms for each, start in zip(line.waiting, line.starts, strict=True) if start > ms}

    if len(line.busy_ms) <= line.hands:
        assert dict(zip((each.id for each in later.waiting), later.starts, strict=True)) == left


@given(line=lines)
def test_nobody_begins_before_the_one_who_stands_ahead(line):
    assert line.starts == sorted(line.starts)


@given(line=lines)
def test_the_line_is_served_by_as_many_hands_as_there_are(line):
    events = sorted((start, each.cost_ms) for each, start in zip(line.waiting, line.starts, strict=True))
    for begin, _ in events:
        at_once = sum(start <= begin < start + cost for start, cost in events)
        assert at_once <= line.hands
