"""The loop of an engine, over a stepper that draws by chance alone and fails when it is told to.

What a film is made of depends on its task and nothing else, so every test compares with the film made alone.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.clip import Mode, Size
from model.config import PONY
from model.engine import Chunk, Task
from model.engines.loop import EngineLoop
from model.engines.stepper import Drawn
from model.engines.walk import Cut, Walk
from model.errors import BadRequest, Broken, Refused, Stopped, Unavailable
from model.generate import Codes, Order, chances, joined
from model.layout import Kind, layout
from model.parity import equal
from model.prompt import Prompt
from model.vocabulary import Guide, Vocabulary

VOCABULARY = Vocabulary(PONY)


class Dice:
    """A stepper without a model: codes are uniform, drawn by (seed, chunk, place) as in any engine."""

    def __init__(
        self, room: int = 4, stride: int = 7, trouble: Callable[[set[int]], None] = lambda seeds: None
    ) -> None:
        self.room, self.stride, self.trouble = room, stride, trouble
        self.open_now: dict[str, tuple[Cut, list[int]]] = {}
        self.most = 0
        self.closed = False

    def open(self, name: str, cut: Cut) -> None:
        if cut.seed == 13:
            raise Refused("Unlucky. Take another seed.")
        self.open_now[name] = cut, rolled(cut)
        self.most = max(self.most, len(self.open_now))

    def step(self) -> list[Drawn]:
        assert not self.closed
        self.trouble({cut.seed for cut, _ in self.open_now.values()})
        drawn = []
        for name, (_, tokens) in list(self.open_now.items()):
            drawn.append(Drawn(name=name, tokens=tokens[: self.stride]))
            del tokens[: self.stride]
            if not tokens:
                del self.open_now[name]
        return drawn

    def drop(self, name: str) -> None:
        self.open_now.pop(name, None)

    def check(self) -> None:
        """Never fails when idle."""

    def cache_use(self) -> float | None:
        return None

    def close(self) -> None:
        self.closed = True


def rolled(cut: Cut) -> list[int]:
    """Tokens of all slots that a cut wants."""
    table = layout(cut.spec)
    chance = chances(cut.seed, table, cut.start)[len(cut.tokens) :]
    sound = table.kind[len(cut.tokens) :] == Kind.AUDIO
    base = np.where(sound, VOCABULARY.audio, VOCABULARY.video)
    size = np.where(sound, PONY.audio.codes, PONY.video.codes)
    return (base + (chance * size).astype(int)).tolist()


def task(seed: int, chunks: int = 9, mode: Mode = Mode.T2V, done: Codes | None = None) -> Task:
    prompt = Prompt(mode=mode, size=Size(64, 64), seconds=-(-chunks // 2), guide=Guide.PLAIN, text=(1, 2, 3))
    if mode is Mode.I2V:
        prompt = replace(prompt, image=torch.zeros(8, 8, dtype=torch.int64))
    return Task(job=f"job {seed}", order=Order(prompt=prompt, chunks=chunks, seed=seed), done=done)


def alone(wanted: Task) -> Codes:
    """The film as one walk makes it."""
    walk = Walk(wanted, PONY)
    while (cut := walk.next()) is not None:
        tokens = rolled(cut)
        for at in range(0, len(tokens), cut.spec.chunk_slots):
            walk.take(cut, tokens[at:])
    assert walk.codes is not None
    return walk.codes


async def made(engine: EngineLoop, wanted: Task) -> Codes:
    """The film as an engine makes it, with what was done before."""
    codes = wanted.done
    number = wanted.ready
    async for chunk in engine.submit(wanted):
        assert chunk.number == number
        codes = chunk.codes if codes is None else joined(codes, chunk.codes)
        number += 1
    assert codes is not None
    return codes


async def heard_out(chunks: AsyncIterator[Chunk]) -> int:
    """Hears a film to its end, and says how many chunks there were."""
    return len([chunk async for chunk in chunks])


def run(make: Callable[[], Dice], work: Callable[[EngineLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine with an engine, and closes it."""

    async def whole() -> Any:
        engine = EngineLoop(make, PONY)
        try:
            return await asyncio.wait_for(work(engine), 60)
        finally:
            await engine.close()

    return asyncio.run(whole())


def outcomes(make: Callable[[], Dice], tasks: list[Task]) -> list[Any]:
    """The films of tasks that are handed in at once, or what became of them."""

    async def all_of_them(engine: EngineLoop) -> Any:
        return await asyncio.gather(*(made(engine, t) for t in tasks), return_exceptions=True)

    return list(run(make, all_of_them))


@settings(max_examples=10)
@given(st.integers(1, 5), st.integers(1, 200), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_films_that_are_made_together_are_the_films_made_alone(room, stride, lengths):
    tasks = [task(seed, chunks) for seed, chunks in enumerate(lengths)]

    films = outcomes(lambda: Dice(room, stride), tasks)

    assert all(equal(film, alone(t)) for film, t in zip(films, tasks, strict=True))


def test_no_more_films_are_open_at_once_than_there_is_room_for():
    dice = Dice(room=2)

    outcomes(lambda: dice, [task(seed) for seed in range(6)])

    assert dice.most == 2


@settings(max_examples=20)
@given(st.sampled_from([Mode.T2V, Mode.I2V]), st.integers(1, 20), st.data())
def test_a_film_taken_up_again_after_any_chunk_is_the_undisturbed_film(mode, chunks, data):
    whole = alone(task(5, chunks, mode))
    done = data.draw(st.integers(1, chunks))

    film = outcomes(Dice, [task(5, chunks, mode, done=whole[:done])])[0]

    assert equal(film, whole)


def test_a_film_that_is_whole_already_has_no_more_chunks():
    whole = alone(task(5))

    assert equal(outcomes(Dice, [task(5, done=whole)])[0], whole)


def test_a_film_that_poisons_the_engine_fails_alone():
    def trouble(seeds: set[int]) -> None:
        if 3 in seeds:
            raise MemoryError("a prompt that must not be told")

    tasks = [task(seed) for seed in range(5)]

    films = outcomes(lambda: Dice(trouble=trouble), tasks)

    assert isinstance(films[3], Broken)
    assert "prompt" not in str(films[3])
    assert all(equal(films[i], alone(tasks[i])) for i in (0, 1, 2, 4))


def test_a_fault_of_the_machine_costs_no_film():
    faults = iter([False] * 5 + [True] + [False] * 40 + [True] + [False] * 10_000)

    def trouble(_: set[int]) -> None:
        if next(faults):
            raise RuntimeError("once")

    tasks = [task(seed) for seed in range(3)]

    films = outcomes(lambda: Dice(trouble=trouble), tasks)

    assert all(equal(film, alone(t)) for film, t in zip(films, tasks, strict=True))


def test_a_refused_film_leaves_the_others_alone():
    films = outcomes(Dice, [task(1), task(13), task(2)])

    assert isinstance(films[1], Refused)
    assert equal(films[0], alone(task(1)))
    assert equal(films[2], alone(task(2)))


def test_a_cancelled_film_is_dropped_before_the_next_step():
    dice = Dice(room=2, stride=1)

    async def work(engine: EngineLoop) -> None:
        chunks = engine.submit(task(1, 40))
        await anext(chunks)
        before = engine.stats().steps
        await engine.cancel("job 1")
        with pytest.raises(Stopped):
            await heard_out(chunks)
        while engine.stats().running:
            await asyncio.sleep(0.001)
        assert engine.stats().steps <= before + 300  # of 3,200 that the film takes
        assert not dice.open_now

    run(lambda: dice, work)


def test_a_cancelled_film_is_in_no_step_after_the_one_that_is_under_way():
    steps: list[set[int]] = []  # seeds at work in each step
    leave = threading.Semaphore(5)  # to finish a step

    def count(seeds: set[int]) -> None:
        steps.append(seeds)
        leave.acquire()

    async def until(number: int) -> None:
        while len(steps) < number:
            await asyncio.sleep(0.001)

    async def work(engine: EngineLoop) -> None:
        films = [asyncio.ensure_future(heard_out(engine.submit(task(seed, 40)))) for seed in (1, 2)]
        await until(6)  # the sixth has begun and cannot finish
        await engine.cancel("job 1")
        leave.release(3)
        await until(9)
        leave.release(100_000)
        assert isinstance((await asyncio.gather(*films, return_exceptions=True))[0], Stopped)

    run(lambda: Dice(stride=1, trouble=count), work)

    assert steps[5] == {1, 2}
    assert all(seeds == {2} for seeds in steps[6:])


def test_a_film_that_nobody_listens_to_any_more_is_dropped():
    dice = Dice(stride=1)

    async def work(engine: EngineLoop) -> None:
        chunks = engine.submit(task(1, 40))
        await anext(chunks)
        await chunks.aclose()
        while engine.stats().running:
            await asyncio.sleep(0.001)
        assert not dice.open_now

    run(lambda: dice, work)


def test_a_waiting_film_can_be_cancelled():
    async def work(engine: EngineLoop) -> None:
        running, waiting = engine.submit(task(1, 40)), engine.submit(task(2))
        await anext(running)
        second = asyncio.ensure_future(anext(waiting))
        while not engine.stats().waiting:
            await asyncio.sleep(0.001)
        await engine.cancel("job 2")
        with pytest.raises(Stopped):
            await second
        assert engine.stats().waiting == 0

    run(lambda: Dice(room=1, stride=1), work)


def test_two_films_cannot_have_one_name():
    async def work(engine: EngineLoop) -> None:
        first = engine.submit(task(1, 40))
        await anext(first)
        with pytest.raises(BadRequest):
            await anext(engine.submit(task(1)))

    run(lambda: Dice(stride=1), work)


def test_an_engine_that_cannot_be_made_anew_says_so_to_all():
    made_before: list[Dice] = []

    def make() -> Dice:
        if made_before:
            raise OSError("no memory")
        made_before.append(Dice(trouble=lambda _: (_ for _ in ()).throw(RuntimeError("broken"))))
        return made_before[0]

    films = outcomes(make, [task(1), task(2)])

    assert all(isinstance(film, Unavailable) for film in films)


def test_an_engine_that_cannot_start_is_not_ready():
    def make() -> Dice:
        raise OSError("no memory")

    async def work(engine: EngineLoop) -> None:
        with pytest.raises(Unavailable):
            await engine.check()

    run(make, work)


def test_closing_ends_every_film_and_can_be_done_twice():
    async def whole() -> None:
        engine = EngineLoop(lambda: Dice(stride=1, room=1), PONY)
        await engine.check()
        films = [asyncio.ensure_future(made(engine, task(seed, 40))) for seed in range(2)]
        while not engine.stats().waiting:
            await asyncio.sleep(0.001)
        await engine.close()
        await engine.close()
        for film in films:
            with pytest.raises(Unavailable):
                await film
        with pytest.raises(Unavailable):
            await engine.check()

    asyncio.run(whole())


def test_the_counts_add_up():
    async def work(engine: EngineLoop) -> None:
        with suppress(StopAsyncIteration):
            await made(engine, task(1, 6))
        stats = engine.stats()
        assert (stats.slots, stats.steps, stats.running, stats.restarts) == (480, 480 // 8, 0, 0)

    run(lambda: Dice(stride=8), work)


@pytest.mark.parametrize(
    "bad", [replace(task(1), order=replace(task(1).order, seed=2**63)), task(1, 2, done=alone(task(1, 3)))]
)
def test_a_task_that_makes_no_sense_is_refused_before_it_is_begun(bad):
    assert isinstance(outcomes(Dice, [bad])[0], BadRequest)
