"""A collector that is down, slow or full holds up nobody and loses nothing uncounted."""

from __future__ import annotations

import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.telemetry.belt import Belt
from serving.telemetry.sieve import Tally
from serving.telemetry.ticker import Ticker


def accounted(tally: Tally) -> int:
    return sum(tally.dropped.values()) + sum(tally.sent.values())


@settings(max_examples=25)
@given(st.integers(0, 60), st.integers(1, 20), st.lists(st.sampled_from(["takes", "refuses", "raises"]), max_size=5))
def test_everything_that_is_put_on_it_is_sent_or_counted_as_dropped(count, most, moods):
    left, tally = list(moods), Tally()

    def export(items):
        match left.pop() if left else "takes":
            case "raises":
                raise OSError("the collector is down")
            case mood:
                return mood == "takes"

    belt: Belt[int] = Belt("spans", export, tally, most=most, every=0.001)
    for number in range(count):
        belt.put(number)
    belt.close(5)

    assert accounted(tally) == count


def test_putting_never_waits_for_a_collector_that_does_not_answer():
    hold, tally = threading.Event(), Tally()
    belt: Belt[int] = Belt("spans", lambda _: hold.wait(30), tally, most=1_000, every=0.001)

    began = time.perf_counter()
    for number in range(20_000):
        belt.put(number)
    took = time.perf_counter() - began

    assert took < 2.0
    assert belt.waiting <= 1_000
    assert tally.dropped["spans", "full"] >= 20_000 - 1_000 - 512
    hold.set()
    belt.close(5)
    assert accounted(tally) == 20_000


def test_closing_does_not_wait_longer_than_it_may():
    hold, tally = threading.Event(), Tally()
    belt: Belt[int] = Belt("spans", lambda _: hold.wait(30), tally, most=5_000, every=0.001)
    for number in range(2_000):
        belt.put(number)

    began = time.perf_counter()
    belt.close(0.2)

    assert time.perf_counter() - began < 2.0
    hold.set()


def test_a_collector_that_fails_is_spoken_of_once_and_again_when_it_is_well(caplog):
    moods = iter([True, False, False, False, True, True])
    belt: Belt[int] = Belt("spans", lambda _: next(moods), Tally(), most=10, every=60)

    with caplog.at_level("WARNING"):
        for number in range(6):
            belt.put(number)
            belt.flush(5)
    belt.close(5)

    assert [record.getMessage().split(".")[0] for record in caplog.records] == [
        "The collector takes no telemetry",
        "The collector takes telemetry again",
    ]


def test_items_leave_in_their_order():
    got: list[int] = []

    def export(items):
        got.extend(items)
        return True

    belt: Belt[int] = Belt("spans", export, Tally(), most=5_000, every=60)
    for number in range(2_000):
        belt.put(number)

    assert belt.flush(5)
    assert got == list(range(2_000))
    belt.close(1)


def test_a_tick_that_fails_is_counted_and_the_next_one_comes():
    ticks, tally = [], Tally()

    def export(metrics):
        ticks.append(metrics)
        if len(ticks) == 1:
            raise OSError("down")
        return True

    ticker = Ticker(lambda: len(ticks), export, tally, every=0.01)  # type: ignore[arg-type, return-value]
    while len(ticks) < 3:
        time.sleep(0.01)
    ticker.close(5)

    assert tally.dropped == {("metrics", "failed"): 1}
    assert tally.sent["metrics"] == len(ticks) - 1
