"""A ferry carries all that waits together, gives each its own answer, and loses nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from serving.errors import Refused, Unavailable
from serving.ferry import MOST, ROOM, Ferry, one_by_one


async def crossed(ferry: Ferry[Any, Any], passengers: Sequence[object]) -> Sequence[object]:
    return await asyncio.gather(*(ferry.cross(each) for each in passengers), return_exceptions=True)


def test_those_who_come_at_once_cross_at_once():
    trips: list[list[int]] = []

    def carry(aboard: Sequence[int]) -> Sequence[int]:
        trips.append(list(aboard))
        return [10 * each for each in aboard]

    assert asyncio.run(crossed(Ferry(carry, name="t"), range(5))) == [0, 10, 20, 30, 40]
    assert trips == [[0, 1, 2, 3, 4]]


def test_those_who_come_during_a_crossing_take_the_next_together():
    trips: list[int] = []
    gone, back = threading.Event(), threading.Event()

    def carry(aboard: Sequence[int]) -> Sequence[int]:
        trips.append(len(aboard))
        gone.set()
        assert back.wait(10)
        return aboard

    async def story() -> None:
        ferry = Ferry(carry, name="t")
        first = asyncio.create_task(ferry.cross(0))
        await asyncio.to_thread(gone.wait, 10)
        others = [asyncio.create_task(ferry.cross(n)) for n in range(1, 8)]
        await asyncio.sleep(0)
        back.set()
        assert await asyncio.gather(first, *others) == list(range(8))

    asyncio.run(story())
    assert trips == [1, 7]


@given(some.lists(some.booleans(), min_size=1, max_size=40), some.integers(1, 4))
def test_each_gets_its_own_answer_or_its_own_error(fine, boats):
    def carry(aboard):
        return [n if fine[n] else Refused(str(n)) for n in aboard]

    found = asyncio.run(crossed(Ferry(carry, name="t", boats=boats), range(len(fine))))

    assert [str(each) for each in found] == [str(n) for n in range(len(fine))]
    assert [isinstance(each, Refused) for each in found] == [not each for each in fine]


def test_a_boat_that_sinks_is_told_to_all_aboard_and_the_next_one_sails():
    calm = iter([False, True])

    def carry(aboard):
        if not next(calm):
            raise OSError("sunk")
        return aboard

    async def story() -> None:
        ferry = Ferry(carry, name="t")
        assert [type(told) for told in await crossed(ferry, [1, 2])] == [OSError, OSError]
        assert await crossed(ferry, [3]) == [3]

    asyncio.run(story())


def test_one_who_leaves_does_not_keep_the_others():
    async def story() -> None:
        ferry: Ferry[int, int] = Ferry(list, name="t")
        tasks = [asyncio.create_task(ferry.cross(n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        assert [await tasks[0], await tasks[2]] == [0, 2]

    asyncio.run(story())


def test_a_boat_has_room_for_so_many_and_the_others_follow():
    trips: list[int] = []

    def carry(aboard):
        trips.append(len(aboard))
        return aboard

    asyncio.run(crossed(Ferry(carry, name="t"), range(ROOM + 3)))

    assert trips == [ROOM, 3]


def test_a_full_pier_refuses():
    async def story() -> None:
        ferry: Ferry[int, int] = Ferry(list, name="t")
        found = await crossed(ferry, range(MOST + 1))
        assert [isinstance(told, Unavailable) for told in found] == [False] * MOST + [True]

    asyncio.run(story())


def test_calls_are_made_one_after_the_other_and_each_keeps_its_error():
    def fail() -> int:
        raise Refused("no")

    found = one_by_one([lambda: 1, fail, lambda: 3])

    assert (found[0], type(found[1]), found[2]) == (1, Refused, 3)


def test_an_error_reaches_whoever_asked_for_it():
    ferry: Ferry[int, int] = Ferry(lambda aboard: [Refused("no")] * len(aboard), name="t")

    with pytest.raises(Refused, match="no"):
        asyncio.run(ferry.cross(1))
