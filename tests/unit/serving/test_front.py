"""The front desk: what it takes on when there is much to do already, and who may watch."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from model.clip import Mode, Size
from policies.constraints import Constraints, DataClass
from serving.desk import Caller
from serving.errors import Conflict, Limited, UnknownJob
from serving.front import Front, Limits
from serving.jobs.job import JobId, State, TenantId
from serving.jobs.memory import MemoryStore
from serving.media.room import Fill
from serving.wish import Wish

DEMANDS = Constraints(
    home="EU", allowed_jurisdictions=frozenset({"EU"}), allowed_classes=frozenset({DataClass.PERSONAL})
)
WISH = Wish(dialect="native", model="equerry", mode=Mode.T2V, prompt="x", size=Size(64, 64), seconds=1, seed=1)


class Store(MemoryStore):
    """Counts the looks at one job alone."""

    looks = 0

    def get(self, tenant, job):
        self.looks += 1
        return super().get(tenant, job)


def front(**limits: int) -> Front:
    async def take(tenant, given):
        return ()

    store, no = Store(lambda: 1_795_000_000_000), SimpleNamespace()
    ingest: Any = SimpleNamespace(take=take)
    return Front(
        store, no, ingest, no, no,  # type: ignore[arg-type]  # not asked
        origin=str, jurisdiction="EU", model_digest="m", policy_digest=lambda: "p", chunk_ms=lambda: 100.0,
        chunks_per_second=2, studios=lambda: 1, draw_seed=lambda: 1, limits=Limits(**limits),
    )  # fmt: skip


def caller(decision: int = 1, tenant: str = "t-1") -> Caller:
    return Caller(
        tenant=tenant, key="k", data_class="personal", decision=f"{decision:032x}", subject="EU", demands=DEMANDS
    )


@pytest.mark.parametrize("limits", [{"queue": 1}, {"queue_per_tenant": 1}])
def test_a_queue_that_is_full_turns_away_what_is_new_and_still_knows_what_it_has(limits):
    async def run():
        desk, keyed = front(**limits), replace(WISH, idempotency_key="once")
        first = await desk.submit(caller(1), keyed)
        again = await desk.submit(caller(2), keyed)
        with pytest.raises(Conflict):
            await desk.submit(caller(3), replace(keyed, prompt="y"))
        for other in (replace(keyed, idempotency_key="twice"), WISH):
            with pytest.raises(Limited):
                await desk.submit(caller(4), other)
        return first.job.id == again.job.id

    assert asyncio.run(run())


def test_a_retry_under_a_key_finds_the_film_of_its_key_and_not_an_equal_older_one():
    async def run():
        desk, keyed = front(), replace(WISH, idempotency_key="once")
        older = await desk.submit(caller(1), WISH)
        first = await desk.submit(caller(2), keyed)
        again = await desk.submit(caller(3), replace(keyed, retried=True))
        unkeyed = await desk.submit(caller(4), replace(WISH, retried=True))
        return [each.job.id for each in (again, unkeyed)] == [first.job.id, older.job.id]

    assert asyncio.run(run())


def test_a_room_that_is_full_turns_away_what_is_new_and_still_knows_what_it_has():
    async def run():
        desk, keyed = front(stored=10), replace(WISH, idempotency_key="once")
        first = await desk.submit(caller(1), keyed)
        cast("Store", desk.store).hold_bytes(TenantId("t-1"), "t-1/drafts/a", 10, most=10)
        desk.fill = Fill(desk.store, 10)
        again = await desk.submit(caller(2), keyed)
        with pytest.raises(Limited) as refusal:
            await desk.submit(caller(3), WISH)
        other = await desk.submit(caller(4, tenant="t-2"), WISH)
        return first.job.id == again.job.id != other.job.id, refusal.value.quota

    assert asyncio.run(run()) == (True, True)


def test_who_watches_sees_the_job_to_its_end_with_one_look_for_all_and_none_of_its_own():
    async def run():
        desk = front(streams=300)
        made = (await desk.submit(caller(), WISH)).job.id
        streams = [await desk.watch(caller(), made) for _ in range(300)]
        await desk.cancel(caller(), made)
        seen = [[each.job.state async for each in stream] for stream in streams]
        return seen, cast("Store", desk.store).looks

    seen, looks = asyncio.run(run())
    assert seen == [[State.QUEUED, State.CANCELLED]] * 300
    assert looks < 10


def test_a_tenant_watches_so_many_jobs_at_once_and_another_is_not_held_up():
    async def run():
        desk = front(streams=2)
        mine, other = await desk.submit(caller(1, "t-1"), WISH), await desk.submit(caller(2, "t-2"), WISH)
        streams = [await desk.watch(caller(1, "t-1"), mine.job.id) for _ in range(2)]
        with pytest.raises(Limited):
            await desk.watch(caller(1, "t-1"), mine.job.id)
        await desk.watch(caller(2, "t-2"), other.job.id)
        left: Any = streams.pop()
        await anext(left)
        await left.aclose()
        await desk.watch(caller(1, "t-1"), mine.job.id)
        streams.clear()  # a client that went before its answer began
        gc.collect()
        await asyncio.sleep(0.05)
        return await desk.watch(caller(1, "t-1"), mine.job.id)

    assert asyncio.run(run())


def test_what_cannot_be_watched_takes_no_place():
    async def run():
        desk = front(streams=1)
        for _ in range(3):
            with pytest.raises(UnknownJob):
                await desk.watch(caller(), JobId("0" * 32))
        made = (await desk.submit(caller(), WISH)).job.id
        return await desk.watch(caller(), made)

    assert asyncio.run(run())
