"""Ways that are timed in turn: what they are compared by, and that other codes are no result."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from benchmarks.race import compared, same
from model.generate import Codes


def codes(value: int) -> list[Codes]:
    return [Codes(torch.full((2, 3, 3), value), torch.full((2, 4), value))]


class Log:
    """What was opened, closed and called, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def way(self, name: str, value: int = 1):
        def make(_):
            self.lines.append(name)
            return codes(value)

        @contextmanager
        def opening():
            self.lines.append(f"open {name}")
            yield make
            self.lines.append(f"close {name}")

        return opening


def run(ways, **others):
    return compared(ways, lambda count, turn: [], [1], 2, **others)


def test_ways_are_timed_in_turn_and_all_of_them_end():
    log = Log()

    run({"a": log.way("a"), "b": log.way("b")})

    assert log.lines == ["open a", "open b", "a", "b", "a", "b", "a", "b", "close b", "close a"]


def test_apart_one_way_is_ended_before_the_next_begins():
    log = Log()

    run({"a": log.way("a"), "b": log.way("b")}, apart=True)

    assert log.lines == ["open a", "a", "a", "a", "close a", "open b", "b", "b", "b", "close b"]


@pytest.mark.parametrize("apart", [False, True])
def test_other_codes_are_no_result(apart):
    log = Log()

    with pytest.raises(SystemExit, match="a and b give other codes"):
        run({"a": log.way("a"), "b": log.way("b", value=2)}, apart=apart)


def test_where_rounding_differs_the_share_that_agrees_is_told():
    log = Log()

    found = run({"a": log.way("a"), "b": log.way("b", value=2)}, exact=False)

    assert [(row.way, row.same) for row in found] == [("a", 1.0), ("b", 0.0)]


def test_the_share_of_codes_counts_pictures_and_sound():
    other = [Codes(torch.full((2, 3, 3), 1), torch.full((2, 4), 2))]

    assert same(codes(1), other) == 18 / 26
