"""A studio outlives what it needs: it waits while store or log are away, works on when they are there again, and ends
with its engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.engine import Chunk, Task
from model.errors import BadRequest, Stopped
from model.errors import Unavailable as ModelUnavailable
from serving.errors import Unavailable
from serving.jobs.job import Job, State
from serving.jobs.memory import MemoryStore
from serving.studio.pause import MOST, Pause
from serving.studio.studio import _Hand
from tests.unit.serving.studios import Engine, a_store_with_a_job, a_studio, claims_of, raising

DEAD = ModelUnavailable("The engine has no memory left. Start it again.")


class Store:
    """Away for two claims; then it has nothing to do, and says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.claims, self.here = loop, 0, asyncio.Event()

    def claim(self, owner: str, most: int) -> tuple[Any, ...]:
        self.claims += 1
        if self.claims <= 2:
            raise Unavailable("The job store does not answer.")
        self.loop.call_soon_threadsafe(self.here.set)
        return ()

    def wait_for_work(self, timeout_s: float) -> bool:
        return False

    def wait_for_cancel(self, owner: str, timeout_s: float) -> tuple[Any, ...]:
        return ()


def test_a_studio_waits_for_a_store_that_is_away():
    async def story() -> int:
        store: Any = Store(asyncio.get_running_loop())
        studio = a_studio(store)
        working = asyncio.create_task(studio.run())
        await asyncio.wait([asyncio.create_task(store.here.wait()), working], timeout=60, return_when="FIRST_COMPLETED")
        assert not working.done(), working.exception()
        await studio.drain()
        await working
        return int(store.claims)

    assert asyncio.run(story()) >= 3


def test_a_studio_that_can_make_nothing_claims_less_and_less_often(monkeypatch):
    store, job = a_store_with_a_job()
    studio = a_studio(store, pause_s=0.1)
    monkeypatch.setattr(studio, "_make", raising(Unavailable("The residency log is away.")))

    async def story() -> float:
        began, working = time.monotonic(), asyncio.create_task(studio.run())
        await asyncio.sleep(1.5)
        await studio.drain()
        await working
        return time.monotonic() - began

    took = asyncio.run(story())
    claims = claims_of(store, job)
    assert claims >= 2
    pauses = claims / 2 - 1  # one more claim may be under way when a pause begins
    assert 0.1 * (2**pauses - 1) <= took
    assert (store.look(job).state, store.look(job).attempts) == (State.QUEUED, 0)


def test_a_drain_does_not_wait_for_the_pause(monkeypatch):
    store, job = a_store_with_a_job()
    studio = a_studio(store, pause_s=600.0)
    monkeypatch.setattr(studio, "_make", raising(Unavailable("The residency log is away.")))

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        while not studio._pause.left:
            await asyncio.sleep(0.01)
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())
    assert claims_of(store, job) == 1


def test_a_dead_engine_ends_its_studio_which_hands_back_its_jobs(monkeypatch):
    store, job = a_store_with_a_job()
    studio = a_studio(store, Engine(DEAD), pause_s=600.0)
    monkeypatch.setattr(studio, "_make", raising(DEAD))

    with pytest.raises(Unavailable, match="no memory left"):
        asyncio.run(asyncio.wait_for(studio.run(), 30))

    assert (store.look(job).state, store.look(job).attempts) == (State.QUEUED, 0)


def test_an_engine_that_dies_with_nothing_to_do_ends_its_studio_too():
    studio = a_studio(MemoryStore(lambda: 0), Engine(DEAD), beat_s=0.01)

    with pytest.raises(Unavailable, match="no memory left"):
        asyncio.run(asyncio.wait_for(studio.run(), 30))


@given(st.lists(st.sampled_from(["failed", "made", "waited"]), max_size=40))
def test_pauses_double_up_to_a_minute_and_begin_anew_when_a_job_is_made(moves):
    now, row = 0.0, 0
    pause = Pause(1.0, lambda: now)
    for move in moves:
        if move == "waited":
            now += pause.left
        elif move == "made":
            pause.made()
            row = 0
        else:
            row += not pause.left
            pause.failed()
            assert 0 < pause.left <= min(MOST, 2.0 ** (row - 1))
    if row:
        now += pause.left
        pause.failed()
        assert pause.left == min(MOST, 2.0**row)


def test_a_job_that_a_studio_claims_while_it_drains_is_handed_back_at_once():
    class Late(MemoryStore):
        def claim(self, owner: str, most: int = 1) -> Sequence[Job]:
            found = super().claim(owner, most)
            asyncio.run_coroutine_threadsafe(studio.drain(), loop).result(30)
            return found

    store, job = a_store_with_a_job(Late)
    studio = a_studio(store)

    loop: Any = None

    async def story() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(studio.run(), 30)

    asyncio.run(story())

    assert (store.look(job).state, store.look(job).attempts, claims_of(store, job)) == (State.QUEUED, 0, 1)


def test_a_job_that_is_handed_back_before_its_engine_knows_it_is_not_given_to_the_engine():
    store, _ = a_store_with_a_job()
    (job,) = store.claim("studio")
    ready: Any = SimpleNamespace(order=SimpleNamespace(known=None, chunks=2))
    studio, unused = a_studio(store), cast("Any", None)
    hand = _Hand(job)
    studio._at_work[hand.name] = hand

    asyncio.run(studio.drain())

    with pytest.raises(Stopped):
        asyncio.run(studio._decode(hand, ready, unused))  # an engine that has no `submit`


def test_a_job_that_comes_back_while_an_earlier_hand_has_it_is_another_film_to_the_engine(monkeypatch):
    """As after a freeze that is longer than a lease: this very studio may be the next to claim what it has lost."""

    class Slow(Engine):
        """Makes no chunk; a film ends when it is cancelled."""

        def __init__(self) -> None:
            super().__init__()
            self.films: dict[str, asyncio.Event] = {}

        async def submit(self, task: Task) -> AsyncGenerator[Chunk, None]:
            if task.job in self.films:
                raise BadRequest("The engine already works on it.")
            self.films[task.job] = ended = asyncio.Event()
            await ended.wait()
            if self.cancelled:
                raise Stopped("The film was cancelled.")
            yield cast("Any", None)  # which makes this an iteration

        async def cancel(self, job: str) -> None:
            await super().cancel(job)
            self.films[job].set()

    now = 0
    store, job = a_store_with_a_job(clock=lambda: now)
    engine = Slow()
    studio = a_studio(store, engine)
    ready: Any = SimpleNamespace(order=SimpleNamespace(known=None, chunks=2))
    monkeypatch.setattr(studio, "_make", lambda hand: studio._decode(hand, ready, cast("Any", None)))

    async def films(number: int) -> list[str]:
        async with asyncio.timeout(30):
            while len(engine.films) < number:
                await asyncio.sleep(0.01)
        return list(engine.films)

    async def story() -> None:
        nonlocal now
        working = asyncio.create_task(studio.run())
        (first,) = await films(1)
        now += 3_600_000
        store.reap()
        assert (await films(2))[0] == first
        assert engine.cancelled == [first]
        assert (store.look(job).state, store.look(job).fence) == (State.RUNNING, 2)
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert (store.look(job).state, store.look(job).error) == (State.QUEUED, None)
