"""A stream that falls silent beats, and loses nothing by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.dialects.beat import with_beats


class Source:
    """Parts after pauses, in seconds; it knows when it was closed."""

    def __init__(self, *pauses: float, fails: bool = False) -> None:
        self.pauses, self.fails, self.closed = pauses, fails, False

    async def parts(self) -> AsyncGenerator[bytes, None]:
        try:
            for number, pause in enumerate(self.pauses):
                await asyncio.sleep(pause)
                yield b"%d" % number
            if self.fails:
                raise ValueError("gone")
        finally:
            self.closed = True


async def heard(source: Source, most: int = 100) -> list[bytes]:
    found: list[bytes] = []
    stream = with_beats(source.parts(), b"-", every=0.02)
    async for part in stream:
        found.append(part)
        if len(found) >= most:
            break
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    return found


@settings(max_examples=20)
@given(pauses=st.lists(st.sampled_from([0.0, 0.001, 0.05]), max_size=5))
def test_every_part_comes_once_and_in_order_whatever_the_pauses(pauses):
    found = asyncio.run(heard(Source(*pauses)))

    assert [part for part in found if part != b"-"] == [b"%d" % number for number in range(len(pauses))]


def test_a_silence_beats_and_a_stream_that_flows_does_not():
    assert asyncio.run(heard(Source(0.1))).count(b"-") >= 2
    assert asyncio.run(heard(Source(*[0.001] * 5))).count(b"-") == 0


@pytest.mark.parametrize("pause", [0.0, 60.0], ids=["between parts", "in a silence"])
def test_a_client_that_goes_closes_the_source(pause):
    source = Source(0.0, pause)

    asyncio.run(heard(source, most=2))

    assert source.closed


def test_a_reader_that_is_cancelled_in_a_silence_closes_the_source():
    async def run(source):
        reading = asyncio.create_task(heard(source))
        await asyncio.sleep(0.05)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await asyncio.sleep(0.05)
        return source.closed

    assert asyncio.run(run(Source(60.0)))


def test_what_goes_wrong_in_the_source_is_told():
    with pytest.raises(ValueError, match="gone"):
        asyncio.run(heard(Source(0.0, fails=True)))
