"""Promises under three times the load, in simulated time, over the real store and the real admission."""

from __future__ import annotations

import pytest

from benchmarks.overload import simulate

pytestmark = pytest.mark.slow


def test_gold_keeps_its_promise_under_overload_and_nothing_taken_on_is_lost():
    rows = {row.service: row for row in simulate("admission", seed=1, minutes=10, load=3, progress=lambda _: None)}

    assert rows["gold"].kept >= 0.99
    assert rows["silver"].kept >= 0.95
    assert rows["all"].done == rows["all"].taken < rows["all"].asked
    assert rows["gold"].taken > 50
    assert rows["all"].eta_error is not None
    assert rows["all"].eta_error <= 0.15


def test_first_come_first_served_would_break_nearly_all_of_golds_promises():
    rows = {row.service: row for row in simulate("first come", seed=1, minutes=10, load=3, progress=lambda _: None)}

    assert rows["gold"].kept < 0.2
    assert rows["all"].done == rows["all"].asked
