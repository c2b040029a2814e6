"""Bodies that are in hand at once are bounded, whole and for each tenant, and given back when a request is answered."""

from __future__ import annotations

import asyncio
import base64
import tracemalloc
from typing import Any

import pytest

from serving.desk import Caller
from serving.dialects.caller import CALLER
from serving.dialects.luggage import Luggage
from serving.dialects.media import from_text
from serving.errors import Limited, TooSlow
from serving.wish import Role

MOST = 1_000  # bytes


class Station:
    """Requests that stay open until `leave`."""

    def __init__(self):
        self.luggage, self.leave = Luggage(self.inner, MOST), asyncio.Event()

    async def inner(self, scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await self.leave.wait()

    async def come(self, tenant, *pieces, declared=None, method="POST"):
        """One request, as far as it comes; gives the error, or the task that waits."""
        headers = [] if declared is None else [(b"content-length", str(declared).encode())]
        scope = {"type": "http", "method": method, "headers": headers}
        scope[CALLER] = Caller(tenant=tenant, key="k", data_class="internal", decision="d")
        left = list(pieces)

        async def receive():
            return {"type": "http.request", "body": b"x" * left.pop(0), "more_body": bool(left)}

        nobody: Any = None  # it answers nothing here
        task = asyncio.create_task(self.luggage(scope, receive, nobody))
        await asyncio.sleep(0.01)
        return task.exception() if task.done() else task


async def kinds(station, *asked):
    return [isinstance(await station.come(*each), Limited) for each in asked]


def test_a_tenant_has_half_of_the_room_and_all_together_have_the_whole():
    async def run():
        station = Station()
        told = await kinds(station, ("a", 300), ("a", 201), ("a", 200), ("b", 500), ("c", 1))
        station.leave.set()
        await asyncio.sleep(0.01)
        return told, await kinds(station, ("a", 500), ("b", 500))

    assert asyncio.run(run()) == ([False, True, False, False, True], [False, False])


def test_a_body_that_does_not_say_its_length_is_stopped_where_the_room_ends():
    async def run():
        return isinstance(await Station().come("a", *[100] * 6), Limited)

    assert asyncio.run(run())


def test_a_length_that_does_not_fit_is_refused_before_a_byte_is_read_and_one_that_is_only_told_takes_no_room():
    async def run():
        station = Station()
        await station.come("a", 200)
        refused = await station.come("a", declared=301)
        await station.come("b", 0, declared=500)
        return type(refused), isinstance(await station.come("b", 500, declared=500), Limited)

    assert asyncio.run(run()) == (Limited, False)


def test_a_length_that_never_fits_is_left_to_the_door_which_knows_that_it_is_too_large():
    async def run():
        return isinstance(await Station().come("a", 0, declared=501), Limited)

    assert not asyncio.run(run())


def test_who_brings_no_body_is_never_turned_away():
    async def run():
        station = Station()
        await station.come("a", 500)
        await station.come("b", 500)
        return isinstance(await station.come("a", 0, method="GET"), Limited)

    assert not asyncio.run(run())


@pytest.mark.parametrize(("patience", "silence"), [({"hush": 0.05}, 60.0), ({"hush": 60.0, "whole": 0.05}, 0.01)])
def test_a_body_that_does_not_come_or_comes_by_drops_is_not_waited_for(patience, silence):
    async def reads(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    async def drips():
        await asyncio.sleep(silence)
        return {"type": "http.request", "body": b"x", "more_body": True}

    nobody: Any = None  # it answers nothing here
    luggage = Luggage(reads, MOST, **patience)
    with pytest.raises(TooSlow):
        asyncio.run(
            asyncio.wait_for(luggage({"type": "http", "method": "POST", "headers": []}, drips, nobody), timeout=10)
        )


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \r\n\f\v"])
def test_base64_may_be_broken_into_lines(blank):
    text = blank.join(base64.b64encode(b"a picture").decode())

    assert from_text(f"data:image/png;base64,{blank}{text}", Role.REFERENCE, "image").body == b"a picture"


def test_a_data_uri_of_blanks_costs_no_more_than_one_of_letters():
    body = "data:image/png;base64," + " A" * 2_000_000

    tracemalloc.start()
    from_text(body, Role.REFERENCE, "image")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 5 * len(body)  # a list of its letters takes 30 times as much
