"""What a studio does when something comes at the wrong moment: nothing that is due waits, and nobody else is hurt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from model.engine import Chunk, Task
from model.errors import BadRequest, Stopped
from model.generate import Codes
from policies.errors import Unavailable as LogAway
from policies.log.entry import Entry, Execution, Manifest, Marked, Watermark
from serving.errors import Broken, Unavailable
from serving.gate import Place
from serving.jobs.job import Job, JobId, State
from serving.jobs.memory import MemoryStore
from serving.jobs.records import Artefact
from serving.studio.codes import pack
from serving.studio.marker import Delivery
from serving.studio.studio import _Hand
from tests.unit.serving.studios import ACME, Engine, a_store_with_a_job, a_studio, claims_of, raising, submit, until

PLACE = Place(cell="eu", region="own/par", evidence="declared", egress="0" * 64, accelerator="cpu")
FILM = SimpleNamespace(order=SimpleNamespace(known=None, chunks=2))


class Slow(Engine):
    """Hands out one chunk of each film and no other; a film ends when it is cancelled or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.films: dict[str, asyncio.Event] = {}
        self.closed: list[str] = []

    async def submit(self, task: Task) -> AsyncGenerator[Chunk, None]:
        if task.job in self.films:
            raise BadRequest("The engine already works on it.")
        self.films[task.job] = ended = asyncio.Event()
        try:
            yield cast("Chunk", SimpleNamespace(number=0, codes=SimpleNamespace(video=NO_CODES, audio=NO_CODES)))
            await ended.wait()
            raise Stopped("The film was cancelled.")
        finally:
            self.closed.append(task.job)

    async def cancel(self, job: str) -> None:
        await super().cancel(job)
        await asyncio.sleep(0)  # others may have their turn here
        if job in self.films:
            self.films[job].set()


NO_CODES = SimpleNamespace(numel=lambda: 0)


def two_chunks() -> Codes:
    return Codes(torch.zeros(2, 1, 1, dtype=torch.int64), torch.zeros(2, 1, dtype=torch.int64))


def test_leases_are_renewed_while_more_films_are_rendered_than_there_are_threads(monkeypatch):
    renewed, held = set[JobId](), threading.Event()

    class Counting(MemoryStore):
        def renew(self, job: JobId, fence: int) -> Job:
            renewed.add(job)
            return super().renew(job, fence)

    store = Counting(lambda: 0)
    jobs = submit(store, 60)
    studio = a_studio(store, most=60, beat_s=0.01)
    shot: Any = SimpleNamespace(add=lambda _: held.wait(60))
    film: Any = SimpleNamespace(order=SimpleNamespace(known=two_chunks(), chunks=2))
    monkeypatch.setattr(studio, "_make", lambda hand: studio._decode(hand, film, shot))

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        try:
            await until(lambda: renewed == set(jobs))
        finally:
            held.set()
            await studio.drain()
            await asyncio.wait_for(working, 30)

    asyncio.run(story())


def test_leases_are_renewed_soon_after_a_store_that_was_away(monkeypatch):
    class Away(MemoryStore):
        renewals = 0

        def renew(self, job: JobId, fence: int) -> Job:
            self.renewals += 1
            if self.renewals == 1:
                raise Unavailable("The job store does not answer.")
            return super().renew(job, fence)

    store, _ = a_store_with_a_job(Away)
    engine = Slow()
    studio = a_studio(store, engine, beat_s=1.0, look_s=0.01)
    monkeypatch.setattr(studio, "_make", lambda hand: studio._decode(hand, cast("Any", FILM), cast("Any", None)))
    monkeypatch.setattr(studio, "_take_in", lambda *_: None)

    async def story() -> float:
        working = asyncio.create_task(studio.run())
        await until(lambda: cast("Away", store).renewals == 1)
        away = asyncio.get_running_loop().time()
        await until(lambda: cast("Away", store).renewals == 2)
        took = asyncio.get_running_loop().time() - away
        await studio.drain()
        await asyncio.wait_for(working, 30)
        return took

    assert asyncio.run(story()) < 0.8


def test_a_film_whose_chunk_cannot_be_kept_has_left_the_engine_before_its_job_waits_again(monkeypatch):
    closed = list[list[str]]()

    class Full(MemoryStore):
        def hand_back(self, job: JobId, fence: int) -> Job:
            closed.append(list(engine.closed))
            return super().hand_back(job, fence)

    def take_in(*_: object) -> None:
        raise Unavailable("The job store does not answer.")

    store, job = a_store_with_a_job(Full)
    engine = Slow()
    studio = a_studio(store, engine, pause_s=600.0)
    monkeypatch.setattr(studio, "_make", lambda hand: studio._decode(hand, cast("Any", FILM), cast("Any", None)))
    monkeypatch.setattr(studio, "_take_in", take_in)

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        await until(lambda: bool(closed))
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert closed == [[f"{job}.1"]]


def test_a_last_word_that_cannot_be_said_costs_no_other_job(monkeypatch):
    class Refusing(MemoryStore):
        def hand_back(self, job: JobId, fence: int) -> Job:
            raise Broken("The job store refused a query.")

    store = Refusing(lambda: 0)
    bad, good = submit(store, 2)
    studio = a_studio(store, pause_s=0.01)
    made = list[JobId]()

    async def make(hand: _Hand) -> None:
        if hand.job.id == bad:
            raise Unavailable("Something is away.")
        await asyncio.sleep(0.2)
        made.append(hand.job.id)

    monkeypatch.setattr(studio, "_make", make)

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        await until(lambda: made == [good] or working.done())
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert made == [good]


def test_a_drain_while_an_earlier_hand_is_dropped_hands_the_new_one_back_too(monkeypatch):
    now = 0
    store, job = a_store_with_a_job(clock=lambda: now)

    class Draining(Slow):
        async def cancel(self, job: str) -> None:
            if not self.cancelled:
                self.cancelled.append(job)
                await studio.drain()
            await super().cancel(job)

    engine = Draining()
    studio = a_studio(store, engine, beat_s=600.0)
    monkeypatch.setattr(studio, "_make", lambda hand: studio._decode(hand, cast("Any", FILM), cast("Any", None)))
    monkeypatch.setattr(studio, "_take_in", lambda *_: None)

    async def story() -> None:
        nonlocal now
        working = asyncio.create_task(studio.run())
        await until(lambda: bool(engine.films))
        now += 3_600_000
        store.reap()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert (store.look(job).state, store.look(job).fence, claims_of(store, job)) == (State.QUEUED, 2, 2)


@pytest.mark.parametrize(
    ("error", "end"), [(OSError(28, "No space left on device"), State.QUEUED), (OSError(12, "memory"), State.FAILED)]
)
def test_a_job_that_a_full_disk_ends_waits_and_one_that_a_fault_ends_does_not(monkeypatch, error, end):
    store, job = a_store_with_a_job()
    studio = a_studio(store, pen=Pen(9), pause_s=600.0)
    studio.place = PLACE
    monkeypatch.setattr(studio, "_make", raising(error))

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        await until(lambda: claims_of(store, job) == 1 and not studio.busy)
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert store.look(job).state is end


def test_a_film_that_is_cancelled_while_it_is_marked_is_not_stored(monkeypatch):
    store, job = a_store_with_a_job()
    pen, marking, marked = Pen(9), threading.Event(), threading.Event()
    studio = a_studio(store, Slow(), pen=pen)
    studio.place = PLACE

    def deliver() -> None:
        marking.set()
        marked.wait(60)

    shot: Any = SimpleNamespace(deliver=deliver)

    async def make(hand: _Hand) -> None:
        await studio._mark(hand, shot)
        store.note(Artefact(key="film", tenant=ACME, job=job, sha256="", key_id="", expires=0), hand.job.fence)

    monkeypatch.setattr(studio, "_make", make)

    async def story() -> None:
        working = asyncio.create_task(studio.run())
        await until(marking.is_set)
        store.cancel(ACME, job)
        await until(lambda: all(hand.unwanted for hand in studio._at_work.values()))
        marked.set()
        await until(lambda: store.look(job).terminal)
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert store.look(job).state is State.CANCELLED
    assert store.living(["film"]) == set()


@pytest.mark.parametrize(("how", "end"), [("drain", State.QUEUED), ("cancel", State.CANCELLED), ("lose", State.QUEUED)])
def test_a_film_that_is_taken_up_again_is_not_rendered_to_its_last_chunk_before_anybody_is_heard(monkeypatch, how, end):
    now, added = 0, list[int]()
    store, job = a_store_with_a_job(clock=lambda: now)
    rendering, heard = threading.Event(), threading.Event()
    studio = a_studio(store, Slow(), pen=Pen(9), beat_s=0.01, pause_s=600.0)
    studio.place = PLACE

    def add(codes: Codes) -> None:
        added.append(len(codes.video))
        rendering.set()
        heard.wait(60)

    film: Any = SimpleNamespace(order=SimpleNamespace(known=two_chunks(), chunks=9))
    shot: Any = SimpleNamespace(add=add)

    async def make(hand: _Hand) -> None:
        await studio._decode(hand, film, shot)

    monkeypatch.setattr(studio, "_make", make)

    async def story() -> None:
        nonlocal now
        working = asyncio.create_task(studio.run())
        await until(rendering.is_set)
        (hand,) = studio._at_work.values()
        if how == "cancel":
            store.cancel(ACME, job)
        elif how == "lose":
            studio._draining.set()  # or it would claim the job again
            now += 3_600_000
            store.reap()
        else:
            await studio.drain()
        await until(lambda: hand.unwanted or hand.stale or hand.handed_back)
        heard.set()
        await studio.drain()
        await asyncio.wait_for(working, 30)

    asyncio.run(story())

    assert added == [1]
    assert store.look(job).state is end


def test_what_earlier_hands_have_drawn_of_a_film_counts_as_its_part_of_the_engines_time():
    store, _ = a_store_with_a_job()
    (first,) = store.claim("studio")
    store.plan(first.id, first.fence, chunks=2, estimated_ms=1)
    for chunk in range(2):
        store.checkpoint(first.id, chunk, first.fence, pack(two_chunks()[chunk : chunk + 1]))
    store.hand_back(first.id, first.fence)
    (again,) = store.claim("studio")
    hand, studio = _Hand(again), a_studio(store)

    asyncio.run(studio._decode(hand, cast("Any", FILM), cast("Any", SimpleNamespace(add=lambda _: None))))

    assert (hand.slots, hand.whole) == (4, False)


class Pen:
    """Takes so many entries, and then none."""

    def __init__(self, most: int) -> None:
        self.most, self.written = most, list[Entry]()

    async def commit(self, entry: Entry) -> None:
        await asyncio.sleep(0)
        if len(self.written) >= self.most:
            raise LogAway("The residency log cannot be reached.")
        self.written.append(entry)


@pytest.mark.parametrize("most", [0, 1])
def test_a_log_that_ends_while_a_film_is_delivered_has_no_output_without_its_mark(most):
    store, _ = a_store_with_a_job()
    (job,) = store.claim("studio")
    pen = Pen(most)
    studio = a_studio(store, pen=pen)
    studio.place = PLACE
    delivery = Delivery(
        body=b"film",
        c2pa=Manifest(manifest="0" * 64, cert="0" * 64),
        watermark=Watermark(alg="own", ver=1, pid="0" * 12),
        label=False,
    )
    shot: Any = SimpleNamespace(pictures=SimpleNamespace(files=dict))

    with pytest.raises(LogAway):
        asyncio.run(studio._deliver(_Hand(job), cast("Any", None), shot, delivery, 0.0))

    assert [type(entry) for entry in pen.written] == [Marked, Execution][:most]
    assert studio.objects is None  # or a put would have failed otherwise
