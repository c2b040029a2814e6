"""Many looks at once: each sees what it would have seen alone, and no tenant sees another's job by it."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from serving.errors import UnknownJob
from serving.jobs.job import Draft, Job, JobId, State, TenantId, new_id
from serving.jobs.records import Ahead, Backlog
from serving.jobs.sql.queries import queries
from serving.lookout import KEPT_S, Lookout, Seen
from tests.integration.worlds import START, Sqlite, World

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")


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


# Long lines ----------------------------------------------------------------------------------------------------------


class Watched:
    """A store whose looks at the line are counted."""

    def __init__(self, world: World) -> None:
        self._store, self.looks = world.store, Counter[str]()

    def __getattr__(self, call: str) -> Any:
        if call in ("line", "ahead_all", "backlogs"):
            self.looks[call] += 1
        return getattr(self._store, call)


@pytest.fixture
def long(world, monkeypatch) -> World:
    """A line that counts as long."""
    monkeypatch.setattr("serving.lookout.SHORT", 3)
    crowd(world)
    return world


def waiting(world: World) -> Sequence[Job]:
    return world.store.board([State.QUEUED])


def told(lookout: Lookout, asked: Sequence[Job]) -> Sequence[tuple[int, int] | None]:
    async def story() -> Sequence[Seen]:
        return await asyncio.gather(*map(lookout.see, asked))

    return [seen.waits for seen in asyncio.run(story())]


def test_a_long_line_is_looked_at_once_in_a_while_and_says_the_same(long):
    store, now = Watched(long), [0.0]
    lookout = Lookout(store, hands=lambda: 1, clock=lambda: now[0])
    jobs = waiting(long)
    alone = {job.id: long.store.ahead(job.tenant, job.id) for job in jobs}

    for _ in range(5):
        assert told(lookout, jobs) == [(alone[job.id].jobs, alone[job.id].work_ms + job.estimated_ms) for job in jobs]
    assert (store.looks["line"], store.looks["ahead_all"]) == (1, 1)

    now[0] += KEPT_S
    told(lookout, jobs)
    assert store.looks["line"] == 2


def test_a_job_that_comes_after_a_look_at_a_long_line_has_its_place_in_it(long):
    lookout = Lookout(long.store, hands=lambda: 1, clock=lambda: 0.0)
    told(lookout, waiting(long))
    long.jump(1)

    late, urgent = queued(long), queued(long, priority=9)

    assert [waits and waits[0] for waits in told(lookout, [late, urgent])] == [7, 0]


def test_a_job_beyond_what_is_kept_of_a_long_line_is_asked_for(long, monkeypatch):
    monkeypatch.setattr("serving.lookout.MOST", 4)
    lookout = Lookout(long.store, hands=lambda: 1, clock=lambda: 0.0)
    jobs = waiting(long)

    for _ in range(2):
        assert sorted(waits[0] for waits in told(lookout, jobs) if waits) == list(range(7))


def test_a_line_that_has_become_short_is_looked_at_for_each_who_asks(long):
    store, now = Watched(long), [0.0]
    lookout = Lookout(store, hands=lambda: 1, clock=lambda: now[0])
    jobs = waiting(long)
    told(lookout, jobs)
    for job in jobs[1:]:
        long.store.cancel(job.tenant, job.id)
    now[0] += KEPT_S
    told(lookout, jobs[:1])
    store.looks.clear()

    for _ in range(3):
        assert told(lookout, jobs[:1]) == [(0, 300 + jobs[0].estimated_ms)]
    assert dict(store.looks) == {"ahead_all": 3}


def test_what_this_gateway_takes_on_counts_before_a_long_line_is_counted_again(long):
    store = Watched(long)
    lookout = Lookout(store, hands=lambda: 1, clock=lambda: 0.0)
    first = asyncio.run(lookout.waiting(ACME))
    lookout.took(queued(long).tenant)

    assert (first[0].queued, first[1]) == (7, 3)
    assert [asyncio.run(lookout.waiting(who))[1] for who in (ACME, BOLT)] == [4, 4]
    assert asyncio.run(lookout.waiting(ACME))[0].queued == 8
    assert store.looks["backlogs"] == 1


def test_many_jobs_are_found_by_their_ids_and_not_by_going_through_a_tenants_jobs(tmp_path):
    world = Sqlite(tmp_path)()
    query = re.sub(r"\(?__\[POSTCOMPILE_\w+\]\)?", "('a', 'b')", str(queries("sqlite")["get_all"]))

    with closing(sqlite3.connect(world.address.removeprefix("sqlite:///"))) as line:
        (step,) = line.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    world.store.close()

    assert step[3] == "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"
