"""Which ends the residency log has not heard of: one suite for SQLite, Postgres and the in-memory twin."""

from __future__ import annotations

from serving.jobs.job import Job, State
from tests.integration.test_job_store import ACME, DAY, done, queued, running
from tests.integration.worlds import RULES, World


def unlogged(world: World) -> list[str]:
    return [job for _, job in world.store.unlogged(100)]


def test_a_job_that_is_cancelled_while_it_waits_ends_unheard_until_somebody_tells(world):
    first = queued(world)
    world.store.cancel(ACME, first.id)
    world.jump(1)
    second = queued(world)
    world.store.delete(ACME, second.id)

    assert list(world.store.unlogged(100)) == [(ACME, first.id), (ACME, second.id)]
    assert list(world.store.unlogged(1)) == [(ACME, first.id)]
    world.store.logged([first.id])
    assert unlogged(world) == [second.id]
    world.store.logged([second.id, first.id])
    world.store.logged([])
    assert unlogged(world) == []


def test_an_end_that_a_studio_has_told_is_heard(world):
    failed = running(world)
    world.store.fail(failed.id, failed.fence, error="x", text="y")
    stopped = running(world)
    world.store.cancel(ACME, stopped.id)
    world.store.stop(stopped.id, stopped.fence)
    done(world, running(world))

    assert unlogged(world) == []


def test_an_end_that_the_store_makes_is_unheard(world):
    def reaped(job: Job) -> State:
        world.jump(RULES.lease_ms)
        world.store.reap()
        return world.store.look(job.id).state

    cancelled = running(world)
    world.store.cancel(ACME, cancelled.id)
    assert reaped(cancelled) is State.CANCELLED
    given_back = running(world)
    world.store.cancel(ACME, given_back.id)
    world.store.hand_back(given_back.id, given_back.fence)
    erased = queued(world)
    world.store.erase(ACME)
    world.jump(1)
    late = queued(world, start_within_ms=5)
    assert reaped(late) is State.FAILED

    assert set(unlogged(world)) == {cancelled.id, given_back.id, erased.id, late.id}
    assert unlogged(world)[-1] == late.id


def test_a_job_that_goes_on_has_no_end(world):
    job = running(world)
    world.store.hand_back(job.id, job.fence)

    assert unlogged(world) == []


def test_a_lease_from_before_the_clock_went_back_ends_as_soon_as_one_that_is_taken_now(world):
    job = running(world)
    world.jump(-DAY)
    freed = [[each.id for each in world.store.reap()]]
    world.jump(RULES.lease_ms - 1)
    freed += [[each.id for each in world.store.reap()]]
    world.jump(1)
    freed += [[each.id for each in world.store.reap()]]

    assert freed == [[], [], [job.id]]
