"""Turns come back at their rate, and no faster, however they are asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.bucket import Bucket, Buckets

MINUTE = 60_000


@given(st.integers(1, 600), st.integers(1, 600), st.lists(st.integers(-MINUTE, 10 * MINUTE), min_size=1, max_size=60))
def test_no_more_turns_are_taken_than_there_were_and_came_back(per_minute, most, steps):
    bucket, now, taken, gone = Bucket(per_minute=per_minute, most=most), 10**12, 0, 0

    for step in steps:
        now, gone = now + step, gone + max(0, step)
        while not bucket.take(now):
            taken += 1

    assert taken <= most + gone * per_minute / MINUTE


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, MINUTE))
def test_a_turn_is_there_after_the_seconds_that_were_told(per_minute, most, later):
    bucket, now = Bucket(per_minute=per_minute, most=most), 10**12
    while not bucket.take(now):
        pass

    wait_s = bucket.take(now + later)

    assert not wait_s or bucket.take(now + later + 1000 * wait_s) == 0


def test_a_turn_that_was_not_used_is_there_again_and_never_more_than_there_may_be():
    bucket = Bucket(per_minute=1, most=1)

    bucket.give()
    assert (bucket.take(1), bucket.take(1)) == (0, 60)
    bucket.give()
    assert bucket.take(1) == 0


def test_names_have_buckets_of_their_own_and_only_so_many_are_kept_in_mind():
    buckets = Buckets(per_minute=1, most=1, kept=2)
    assert [buckets.of(name).take(1) for name in ("a", "b", "a")] == [0, 0, 60]

    buckets.of("c")

    assert [buckets.of("a").take(1), buckets.of("b").take(1)] == [60, 0]
