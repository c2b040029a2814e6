"""An engine that fails at the wrong moment: what nobody wants any more stays away, and no film pays for the engine."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from model.config import PONY
from model.engines.loop import EngineLoop
from model.errors import BadWeights, Stopped, Unavailable
from model.parity import equal
from tests.unit.test_engine_loop import Dice, alone, heard_out, made, outcomes, run, task


def test_a_film_that_is_cancelled_as_the_engine_fails_is_not_taken_up_again():
    steps: list[set[int]] = []  # seeds at work in each step
    leave, fault = threading.Semaphore(3), threading.Event()

    def trouble(seeds: set[int]) -> None:
        steps.append(seeds)
        leave.acquire()
        if fault.is_set():
            fault.clear()
            raise RuntimeError("the device is gone")

    async def work(engine: EngineLoop) -> Any:
        films = [asyncio.ensure_future(heard_out(engine.submit(task(seed, 40)))) for seed in (1, 2)]
        while len(steps) < 4:  # the fourth has begun and cannot finish
            await asyncio.sleep(0.001)
        await engine.cancel("job 1")
        with pytest.raises(Stopped):
            await films[0]
        fault.set()
        leave.release(100_000)
        return await films[1]

    assert run(lambda: Dice(stride=40, trouble=trouble), work) == 40
    assert steps[3] == {1, 2}
    assert all(seeds == {2} for seeds in steps[4:])


def test_weights_that_are_gone_when_the_engine_is_made_anew_are_no_fault_of_a_film():
    before: list[Dice] = []

    def make() -> Dice:
        if before:
            raise BadWeights("The weights cannot be read. Install them again.")
        before.append(Dice(trouble=lambda _: (_ for _ in ()).throw(RuntimeError("broken"))))
        return before[0]

    films = outcomes(make, [task(1), task(2)])

    assert [type(film) for film in films] == [Unavailable, Unavailable]
    assert "weights cannot be read" in str(films[0])


def test_a_stepper_that_fails_at_its_end_too_costs_no_film():
    class Stubborn(Dice):
        def close(self) -> None:
            super().close()
            raise OSError("a process of the engine does not end")

    faults = iter([False] * 5 + [True])

    def trouble(_: set[int]) -> None:
        if next(faults, False):
            raise RuntimeError("once")

    tasks = [task(seed) for seed in range(3)]

    films = outcomes(lambda: Stubborn(trouble=trouble), tasks)

    assert all(equal(film, alone(t)) for film, t in zip(films, tasks, strict=True))


def test_a_listener_whose_loop_has_ended_is_no_fault_of_the_engine():
    engine = EngineLoop(lambda: Dice(stride=1), PONY)
    loop = asyncio.new_event_loop()
    chunks = engine.submit(task(1, 40))
    loop.run_until_complete(anext(chunks))
    loop.close()

    async def other() -> Any:
        try:
            return await asyncio.wait_for(made(engine, task(2)), 60)
        finally:
            await engine.close()

    assert equal(asyncio.run(other()), alone(task(2)))
    assert engine.stats().restarts == 0
