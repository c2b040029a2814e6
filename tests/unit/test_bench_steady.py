"""What a closed loop counts, and whose time is whose."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shares import Shares, shares
from benchmarks.steady import Laps, asked_steadily

BUSY = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint('worked', flush=True)\nsys.stdin.read()"


def laps_of(ramp: int, films: int, laps: int) -> Laps:
    """One film ends each second, and takes a tenth of one of the engine."""
    ticks = count(1)
    looks = count(1)

    def look() -> Shares:
        return Shares(loop=0.1 * films * next(looks), core=0.0, client=0.0, rest=0.0)

    return Laps(ramp=ramp, films=films, laps=laps, look=look, clock=lambda: float(ramp + films * next(ticks)))


@given(ramp=st.integers(1, 20), films=st.integers(1, 20), laps=st.integers(1, 4))
def test_neither_the_start_nor_the_end_of_a_run_counts(ramp, films, laps):
    seen = laps_of(ramp, films, laps)

    while not seen.over:
        seen.end()
    seen.end()

    assert seen.ended == ramp + films * laps + 1

    assert [lap.films for lap in seen.seen()] == [films] * laps
    assert [lap.seconds for lap in seen.seen()] == pytest.approx([films] * laps)
    assert [lap.spent.engine for lap in seen.seen()] == pytest.approx([0.1 * films] * laps)


def test_as_many_films_are_in_flight_as_there_are_askers():
    flying, most, made = 0, [], []

    async def one(number: int) -> None:
        nonlocal flying
        flying += 1
        most.append(flying)
        await asyncio.sleep(0)
        flying -= 1
        made.append(number)

    asyncio.run(asked_steadily(one, 3, 0.0, lambda: len(made) < 20))

    assert max(most) == 3
    assert sorted(made) == list(range(len(made)))
    assert 20 <= len(made) < 23


def test_the_clients_time_is_told_apart():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        client.stdout.readline()
        apart, together = shares(client.pid), shares()
        client.communicate()

    assert apart.client >= 0.15
    assert together.client == 0
    assert together.rest - apart.rest >= 0.15
