"""Many looks at once: each sees what it would have seen alone, and no tenant sees another's job by it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from serving.errors import UnknownJob
from serving.jobs.job import Draft, Job, JobId, TenantId, new_id
from serving.jobs.records import Ahead, Backlog
from serving.lookout import Lookout, Seen
from tests.integration.worlds import START, Postgres, Sqlite, World, in_memory

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request, tmp_path_factory):
    match request.param:
        case "memory":
            world = in_memory()
        case "sqlite":
            world = Sqlite(tmp_path_factory.mktemp("jobs"))()
        case _:
            world = Postgres(request.getfixturevalue("postgres"))()
    yield world
    world.store.close()


def queued(world: World, tenant: TenantId = ACME, **values: Any) -> Job:
    made = Draft(id=new_id(os.urandom(16)), tenant=tenant, order="{}", fingerprint="f", estimated_ms=1000, chunks=3)
    return world.store.submit(replace(made, **values)).job


def crowd(world: World) -> Sequence[Job]:
    """Jobs of two tenants in every order: one that runs, one that has a higher priority, one that is cancelled."""
    made = []
    for n in range(9):
        made.append(queued(world, (ACME, BOLT)[n % 2], estimated_ms=100 * (n + 1), priority=n % 3))
        world.jump(n % 2)  # some are made in the same millisecond
    (first,) = world.store.claim("studio-1")
    assert first.id == made[2].id
    world.store.cancel(ACME, made[8].id)
    return made


def alone(call: Any, *asked: object) -> object:
    try:
        return call(*asked)
    except UnknownJob as error:
        return str(error)


def pairs(jobs: Sequence[Job]) -> Sequence[tuple[TenantId, JobId]]:
    """Each job as its owner asks for it, and as the other tenant does, and one that never was."""
    return [(who, job.id) for job in jobs for who in (ACME, BOLT)] + [(ACME, new_id(bytes(16)))]


def test_many_jobs_are_what_each_of_them_is_alone(world):
    wanted = pairs(crowd(world))

    found = world.store.get_all(wanted)

    assert [str(each) if isinstance(each, UnknownJob) else each for each in found] == [
        alone(world.store.get, *each) for each in wanted
    ]
    assert sum(isinstance(each, Job) for each in found) == 9


def test_what_is_ahead_of_many_is_what_is_ahead_of_each(world):
    wanted = pairs(crowd(world))

    found = world.store.ahead_all(wanted)

    told = [(job, alone(world.store.ahead, tenant, job)) for tenant, job in wanted]
    assert found == {job: ahead for job, ahead in told if isinstance(ahead, Ahead)}
    assert len(found) == 7


def test_nobody_who_asks_for_nothing_is_told_anything(world):
    assert list(world.store.get_all([])) == []
    assert dict(world.store.ahead_all([])) == {}


def test_a_job_that_is_asked_for_twice_is_told_twice(world):
    job = queued(world)

    assert list(world.store.get_all([(ACME, job.id), (BOLT, job.id), (ACME, job.id)]))[::2] == [job, job]


def test_the_tenants_backlogs_are_together_the_cells(world):
    crowd(world)

    found = world.store.backlogs()
    whole = world.store.backlog()

    assert {tenant: (each.queued, each.running) for tenant, each in found.items()} == {ACME: (3, 1), BOLT: (4, 0)}
    assert sum(each.queued for each in found.values()) == whole.queued
    assert sum(each.work_ms for each in found.values()) == whole.work_ms
    assert min(each.oldest or START for each in found.values()) == whole.oldest


def test_tenants_with_nothing_to_do_have_no_backlog(world):
    world.store.cancel(ACME, queued(world).id)

    assert dict(world.store.backlogs()) == {}


def test_a_lookout_tells_each_who_asks_at_once_of_its_own(world):
    jobs = crowd(world)
    lookout = Lookout(world.store, hands=lambda: 1)

    async def story() -> Sequence[object]:
        asked = [lookout.see(each) for each in pairs(jobs)]
        return await asyncio.gather(*asked, lookout.waiting(ACME), lookout.waiting(BOLT), return_exceptions=True)

    *seen, mine, theirs = asyncio.run(story())

    assert [type(each) for each in seen] == [
        UnknownJob if isinstance(alone(world.store.get, *each), str) else Seen for each in pairs(jobs)
    ]
    whole = world.store.backlog()
    assert (mine, theirs) == ((whole, 3), (whole, 4))


def test_a_lookout_believes_who_foretells_and_asks_the_store_for_the_others(world):
    known = queued(world)
    world.jump(1)
    other = queued(world, estimated_ms=700)
    lookout = Lookout(world.store, hands=lambda: 2, foretell=lambda job: (41, 9) if job.id == known.id else None)

    async def story() -> Sequence[Seen]:
        return await asyncio.gather(lookout.see((ACME, known.id)), lookout.see(other))

    assert asyncio.run(story()) == [Seen(known, (41, 9)), Seen(other, (1, 1000 // 2 + 700))]


def test_an_empty_cell_lets_nobody_wait(world):
    found = asyncio.run(Lookout(world.store, hands=lambda: 1).waiting(ACME))

    assert found == (Backlog(queued=0, running=0, work_ms=0, oldest=None), 0)
