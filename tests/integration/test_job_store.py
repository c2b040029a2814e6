"""The job store: one suite for SQLite, Postgres and the in-memory twin."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from serving.errors import BadField, Broken, Conflict, NotPossible, StaleFence, UnknownJob
from serving.jobs.job import Draft, Job, JobId, State, TenantId, new_id
from serving.jobs.records import Ahead, Artefact, Backlog
from serving.jobs.watch import watch
from tests.integration.worlds import RULES, START, World

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")
DAY = 24 * 3_600_000  # ms


def draft(tenant: TenantId = ACME, **values: Any) -> Draft:
    made = Draft(
        id=new_id(os.urandom(16)), tenant=tenant, order='{"prompt":"x"}', fingerprint="f", estimated_ms=1000, chunks=3
    )
    return replace(made, **values)


def queued(world: World, **values: Any) -> Job:
    return world.store.submit(draft(**values)).job


def running(world: World, **values: Any) -> Job:
    queued(world, **values)
    return world.store.claim("studio-1")[0]


def done(world: World, job: Job, **values: Any) -> Job:
    return world.store.complete(job.id, job.fence, **{"result": "{}", "usage": '{"s":3}', "keep_ms": DAY, **values})


def artefact(job: Job, name: str = "film.mp4") -> Artefact:
    key = f"{job.id}/{job.fence}/{name}"
    return Artefact(key=key, tenant=job.tenant, job=job.id, sha256="ab" * 32, key_id="k1", expires=0)


# Submitting ----------------------------------------------------------------------------------------------------------


def test_a_submitted_job_waits_with_everything_that_was_asked(world):
    asked = draft(priority=2, start_within_ms=500, model="pony", jurisdiction="EU", webhook="https://a.test/")

    receipt = world.store.submit(asked)

    assert receipt.fresh
    assert receipt.job == Job(
        id=asked.id,
        tenant=ACME,
        state=State.QUEUED,
        order='{"prompt":"x"}',
        priority=2,
        estimated_ms=1000,
        chunks=3,
        chunks_done=0,
        fence=0,
        attempts=0,
        cancel_requested=False,
        created=START,
        started=None,
        finished=None,
        deadline=START + 500,
        expires=None,
        result=None,
        error=None,
        error_text=None,
        model="pony",
        jurisdiction="EU",
        fingerprint="f",
        webhook="https://a.test/",
    )
    assert world.store.get(ACME, asked.id) == receipt.job


def test_the_same_idempotency_key_gives_the_same_job(world):
    first = world.store.submit(draft(idempotency_key="k"))

    again = world.store.submit(draft(idempotency_key="k"))

    assert (again.job, again.fresh) == (first.job, False)


def test_the_same_key_for_another_request_is_refused(world):
    world.store.submit(draft(idempotency_key="k"))

    with pytest.raises(Conflict, match="Use a new key"):
        world.store.submit(draft(idempotency_key="k", fingerprint="g"))


def test_another_tenant_may_use_the_same_key(world):
    world.store.submit(draft(idempotency_key="k"))

    assert world.store.submit(draft(BOLT, idempotency_key="k", fingerprint="g")).fresh


def test_an_idempotency_key_is_forgotten_after_a_day(world):
    first = queued(world, idempotency_key="k")
    world.jump(DAY)
    world.store.expire()

    assert world.store.submit(draft(idempotency_key="k")).job.id != first.id


def test_a_submit_that_is_repeated_with_its_own_id_stays_one_job(world):
    asked = draft()

    assert world.store.submit(asked) == world.store.submit(asked)
    assert world.store.backlog().queued == 1


def test_a_retry_finds_the_first_job_within_its_window(world):
    first = queued(world)
    world.jump(599_999)

    assert world.store.submit(draft(retry_window_ms=600_000)).job == first


def test_a_retry_after_its_window_is_a_new_job(world):
    queued(world)
    world.jump(600_001)

    assert world.store.submit(draft(retry_window_ms=600_000)).fresh


def test_equal_first_attempts_are_two_jobs(world):
    assert world.store.submit(draft()).fresh
    assert world.store.submit(draft()).fresh


def test_a_retry_finds_no_job_of_another_tenant(world):
    queued(world)

    assert world.store.known(draft(tenant=BOLT, retry_window_ms=600_000)) is None
    assert world.store.submit(draft(tenant=BOLT, retry_window_ms=600_000)).fresh


def test_equal_retries_at_the_same_time_make_one_job(world):
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: world.store.submit(draft(retry_window_ms=60_000)), range(16)))

    assert len({r.job.id for r in receipts}) == 1
    assert sum(r.fresh for r in receipts) == 1


def test_equal_keys_at_the_same_time_make_one_job(world):
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: world.store.submit(draft(idempotency_key="k")), range(16)))

    assert len({r.job.id for r in receipts}) == 1


# Claiming ------------------------------------------------------------------------------------------------------------


def test_jobs_are_claimed_by_priority_then_deadline_then_age(world):
    old = queued(world)
    world.jump(1)
    young = queued(world)
    late = queued(world, start_within_ms=9000)
    soon = queued(world, start_within_ms=5000)
    first = queued(world, priority=1)

    claimed = [world.store.claim("s", 2), world.store.claim("s", 9)]

    assert [[j.id for j in jobs] for jobs in claimed] == [[first.id, soon.id], [late.id, old.id, young.id]]


def test_a_claim_raises_the_fence_and_takes_a_lease(world):
    job = queued(world)

    (mine,) = world.store.claim("studio-7")

    assert mine == replace(
        job,
        state=State.RUNNING,
        fence=1,
        attempts=1,
        owner="studio-7",
        started=START,
        leased_until=START + RULES.lease_ms,
        revision=1,
    )


def test_nothing_is_claimed_when_nothing_waits(world):
    running(world)

    assert list(world.store.claim("studio-2")) == []


def test_a_job_whose_deadline_has_passed_is_not_claimed(world):
    queued(world, start_within_ms=100)
    world.jump(100)

    assert list(world.store.claim("s")) == []


def test_a_renewed_lease_outlives_its_first_end(world):
    job = running(world)
    world.jump(RULES.lease_ms - 1)
    world.store.renew(job.id, job.fence)
    world.jump(RULES.lease_ms - 1)

    assert list(world.store.reap()) == []


def test_studios_that_claim_at_once_never_share_a_job(world):
    made = {queued(world).id for _ in range(60)}

    def work(name: str) -> list[JobId]:
        mine: list[JobId] = []
        while jobs := world.store.claim(name, 3):
            mine += [j.id for j in jobs]
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = [i for ids in pool.map(work, map(str, range(6))) for i in ids]

    assert Counter(taken) == Counter(made)


# Checkpoints ---------------------------------------------------------------------------------------------------------


def test_checkpoints_are_resumed_by_the_next_studio(world):
    first = running(world)
    world.store.checkpoint(first.id, 0, first.fence, b"\x00one")
    world.store.checkpoint(first.id, 1, first.fence, b"two")
    world.jump(RULES.lease_ms)
    world.store.reap()

    (second,) = world.store.claim("studio-2")

    assert (second.fence, second.chunks_done) == (2, 2)
    assert list(world.store.resume(second.id, second.fence)) == [b"\x00one", b"two"]


def test_progress_is_the_share_of_chunks_and_full_only_with_the_film(world):
    job = running(world)
    seen = [world.store.checkpoint(job.id, chunk, job.fence, b"x").progress for chunk in range(3)]

    assert [*seen, done(world, job).progress] == [33, 66, 99, 100]


def test_a_checkpoint_that_is_repeated_counts_once(world):
    job = running(world)

    first = world.store.checkpoint(job.id, 0, job.fence, b"one")
    again = world.store.checkpoint(job.id, 0, job.fence, b"one")

    assert again == first
    assert list(world.store.resume(job.id, job.fence)) == [b"one"]


def test_a_checkpoint_that_leaves_a_gap_is_refused(world):
    job = running(world)

    with pytest.raises(Broken, match="0 comes next"):
        world.store.checkpoint(job.id, 1, job.fence, b"two")


def test_checkpoints_go_when_the_job_ends(world):
    job = running(world)
    world.store.checkpoint(job.id, 0, job.fence, b"one")

    done(world, job)

    with pytest.raises(StaleFence):
        world.store.resume(job.id, job.fence)


def test_a_plan_says_how_much_there_is_to_do(world):
    job = running(world, chunks=0, estimated_ms=0)

    planned = world.store.plan(job.id, job.fence, chunks=8, estimated_ms=4000)

    assert (planned.chunks, planned.estimated_ms) == (8, 4000)


# Fences --------------------------------------------------------------------------------------------------------------

WRITES = {
    "renew": lambda s, j: s.renew(j.id, j.fence),
    "plan": lambda s, j: s.plan(j.id, j.fence, chunks=9, estimated_ms=9),
    "checkpoint": lambda s, j: s.checkpoint(j.id, 0, j.fence, b"x"),
    "resume": lambda s, j: s.resume(j.id, j.fence),
    "note": lambda s, j: s.note(artefact(j), j.fence),
    "complete": lambda s, j: s.complete(j.id, j.fence, result="{}", usage="{}", keep_ms=1),
    "fail": lambda s, j: s.fail(j.id, j.fence, error="generation_failed", text="It failed."),
    "hand_back": lambda s, j: s.hand_back(j.id, j.fence),
    "stop": lambda s, j: s.stop(j.id, j.fence),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_studio_that_lost_its_lease_changes_nothing(world, write):
    lost = running(world)
    world.jump(RULES.lease_ms)
    world.store.reap()
    (taken,) = world.store.claim("studio-2")

    with pytest.raises(StaleFence):
        write(world.store, lost)

    assert world.store.get(ACME, lost.id) == taken


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_studio_cannot_write_to_a_job_that_waits_again(world, write):
    lost = running(world)
    world.jump(RULES.lease_ms)
    world.store.reap()
    waiting = world.store.get(ACME, lost.id)

    if write is WRITES["hand_back"]:
        assert world.store.hand_back(lost.id, lost.fence) == waiting  # it waits already
    else:
        with pytest.raises(StaleFence):
            write(world.store, lost)

    assert world.store.get(ACME, lost.id) == waiting


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_job_that_never_was_is_stale_to_a_studio(world, write):
    ghost = replace(running(world), id=new_id(bytes(16)))

    with pytest.raises(StaleFence):
        write(world.store, ghost)


# Ends ----------------------------------------------------------------------------------------------------------------


def test_a_completed_job_has_its_result_and_one_line_of_usage(world):
    job = running(world)

    ended = done(world, job, result='{"key":"k"}')

    assert (ended.state, ended.result, ended.chunks_done) == (State.SUCCEEDED, '{"key":"k"}', 3)
    assert (ended.finished, ended.expires) == (START, START + DAY)
    assert [(u.job, u.tenant, u.line) for u in world.store.usage()] == [(job.id, ACME, '{"s":3}')]


def test_a_completion_that_is_repeated_after_a_lost_answer_bills_once(world):
    job = running(world)

    assert done(world, job) == done(world, job)
    assert len(world.store.usage()) == 1


def test_a_completion_with_an_artefact_that_was_never_noted_changes_nothing(world):
    job = running(world)

    with pytest.raises(Broken, match="never noted"):
        done(world, job, keys=["elsewhere"])

    assert world.store.get(ACME, job.id) == job
    assert list(world.store.usage()) == []


def test_a_failed_job_says_why_and_is_not_billed(world):
    job = running(world)

    ended = world.store.fail(job.id, job.fence, error="generation_failed", text="The engine stopped.")

    assert (ended.state, ended.error, ended.error_text) == (State.FAILED, "generation_failed", "The engine stopped.")
    assert list(world.store.usage()) == []


def test_a_job_that_is_handed_back_waits_and_does_not_count_the_attempt(world):
    job = running(world)

    back = world.store.hand_back(job.id, job.fence)

    assert (back.state, back.attempts, back.owner) == (State.QUEUED, 0, None)
    assert world.store.claim("studio-2")[0].fence == 2


def test_an_end_cannot_become_another_end(world):
    job = running(world)
    done(world, job)

    with pytest.raises(StaleFence):
        world.store.fail(job.id, job.fence, error="x", text="y")


# Cancelling and deleting ---------------------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(world):
    job = queued(world)

    ended = world.store.cancel(ACME, job.id)

    assert (ended.state, ended.finished) == (State.CANCELLED, START)
    assert list(world.store.claim("s")) == []


def test_a_running_job_is_cancelled_by_its_studio(world):
    job = running(world)

    asked = world.store.cancel(ACME, job.id)

    assert (asked.state, asked.cancel_requested) == (State.RUNNING, True)
    assert list(world.store.cancelled("studio-1")) == [job.id]
    assert world.store.renew(job.id, job.fence).cancel_requested
    assert world.store.stop(job.id, job.fence).state is State.CANCELLED
    assert list(world.store.cancelled("studio-1")) == []


def test_a_cancelled_job_is_neither_completed_nor_billed(world):
    job = running(world)
    world.store.cancel(ACME, job.id)

    with pytest.raises(NotPossible, match="Call `stop`"):
        done(world, job)

    assert list(world.store.usage()) == []


def test_a_job_that_nobody_cancelled_is_not_stopped(world):
    job = running(world)

    with pytest.raises(NotPossible, match="hand_back"):
        world.store.stop(job.id, job.fence)


def test_a_cancelled_job_ends_when_its_studio_dies_or_drains(world):
    dead, drained = running(world), running(world)
    for job in (dead, drained):
        world.store.cancel(ACME, job.id)

    assert world.store.hand_back(drained.id, drained.fence).state is State.CANCELLED
    world.jump(RULES.lease_ms)
    assert [j.state for j in world.store.reap()] == [State.CANCELLED]


def test_only_a_waiting_job_is_cancelled_when_that_is_asked(world):
    job = running(world)

    with pytest.raises(NotPossible, match="only a waiting job"):
        world.store.cancel(ACME, job.id, only_queued=True)

    assert world.store.get(ACME, job.id) == job


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_a_finished_job_cannot_be_cancelled(world, end):
    job = running(world)
    if end == "succeeded":
        done(world, job)
    else:
        world.store.fail(job.id, job.fence, error="x", text="y")

    with pytest.raises(NotPossible, match=end):
        world.store.cancel(ACME, job.id)


def test_cancelling_twice_is_cancelling(world):
    job = queued(world)

    assert world.store.cancel(ACME, job.id) == world.store.cancel(ACME, job.id)


def test_a_cancelled_job_does_not_wait_and_is_not_cancelled_where_only_a_waiting_one_should_be(world):
    job = queued(world)
    ended = world.store.cancel(ACME, job.id, only_queued=True)

    with pytest.raises(NotPossible, match="cancelled"):
        world.store.cancel(ACME, job.id, only_queued=True)

    assert world.store.get(ACME, job.id) == ended


def test_a_deleted_job_is_unknown_to_clients_and_its_order_is_forgotten(world):
    job = done(world, running(world))

    world.store.delete(ACME, job.id)

    with pytest.raises(UnknownJob):
        world.store.get(ACME, job.id)
    kept = world.store.look(job.id)
    assert (kept.state, kept.order, kept.result, kept.deleted) == (State.EXPIRED, "{}", None, START)


def test_deleting_a_running_job_asks_for_its_end(world):
    job = running(world, webhook="https://a.test/")

    world.store.delete(ACME, job.id)

    assert list(world.store.cancelled("studio-1")) == [job.id]
    assert world.store.stop(job.id, job.fence).state is State.CANCELLED
    assert list(world.store.due_parcels()) == []  # its owner knows


def test_deleting_a_waiting_job_ends_it(world):
    job = queued(world)

    assert world.store.delete(ACME, job.id).state is State.CANCELLED


def test_the_film_of_a_deleted_job_is_due_for_deletion(world):
    job = running(world)
    film = artefact(job)
    world.store.note(film, job.fence)
    done(world, job, keys=[film.key])

    world.store.delete(ACME, job.id)

    assert [a.key for a in world.store.due_artefacts()] == [film.key]


def test_a_film_that_a_studio_still_uploads_is_due_once_the_deleted_job_has_ended(world):
    job = running(world)
    film = artefact(job)
    world.store.note(film, job.fence)

    world.store.delete(ACME, job.id)
    while_it_uploads = list(world.store.due_artefacts())
    world.store.stop(job.id, job.fence)

    assert while_it_uploads == []  # what is not there yet would be taken for deleted
    assert [each.key for each in world.store.due_artefacts()] == [film.key]


def test_nobody_is_told_of_a_film_that_was_deleted(world):
    job = done(world, running(world, webhook="https://a.test/"))

    world.store.delete(ACME, job.id)

    assert list(world.store.due_parcels()) == []


def test_nobody_is_told_of_a_film_whose_time_is_over(world):
    job = done(world, running(world, webhook="https://a.test/"))
    world.jump((job.expires or 0) - START)

    world.store.expire()

    assert list(world.store.due_parcels()) == []


# Reaping and expiring ------------------------------------------------------------------------------------------------


def test_a_job_whose_lease_ran_out_waits_again(world):
    job = running(world)
    world.jump(RULES.lease_ms)

    (freed,) = world.store.reap()

    assert (freed.id, freed.state, freed.fence, freed.owner) == (job.id, State.QUEUED, 1, None)


def test_a_job_that_was_tried_too_often_fails_with_the_reason(world):
    job = queued(world)
    for _ in range(RULES.most_attempts):
        world.store.claim("s")
        world.jump(RULES.lease_ms)
        world.store.reap()

    ended = world.store.get(ACME, job.id)

    assert (ended.state, ended.error, ended.attempts) == (State.FAILED, "attempts", RULES.most_attempts)


def test_a_waiting_job_fails_when_its_deadline_passes(world):
    job = queued(world, start_within_ms=100)
    world.jump(100)

    (late,) = world.store.reap()

    assert (late.id, late.state, late.error) == (job.id, State.FAILED, "deadline")


def test_a_job_that_began_in_time_is_finished_after_its_deadline(world):
    job = running(world, start_within_ms=100)
    world.jump(200)

    assert list(world.store.reap()) == []
    assert done(world, job).state is State.SUCCEEDED


def test_a_clock_that_jumps_back_frees_nothing_early(world):
    job = running(world)
    world.jump(-DAY)

    assert list(world.store.reap()) == []
    assert world.store.renew(job.id, job.fence).leased_until == START - DAY + RULES.lease_ms


def test_a_film_expires_and_its_record_stays(world):
    job = done(world, running(world), keep_ms=1000)
    world.jump(1000)

    (gone,) = world.store.expire()

    assert (gone.id, gone.state, gone.order) == (job.id, State.EXPIRED, "{}")
    assert world.store.get(ACME, job.id).state is State.EXPIRED
    assert len(world.store.usage()) == 1


def test_failed_and_cancelled_jobs_expire_too(world):
    failed = running(world)
    world.store.fail(failed.id, failed.fence, error="x", text="y")
    ended = queued(world)
    world.store.cancel(ACME, ended.id)
    world.jump(RULES.keep_failed_ms)

    assert {j.id for j in world.store.expire()} == {failed.id, ended.id}


# Artefacts -----------------------------------------------------------------------------------------------------------


def test_a_film_lives_as_long_as_its_job_says(world):
    job = running(world)
    film, orphan = artefact(job), artefact(job, "half.mp4")
    world.store.note(film, job.fence)
    world.store.note(orphan, job.fence)
    done(world, job, keys=[film.key], keep_ms=2 * RULES.orphan_ms)
    world.jump(RULES.orphan_ms)

    assert [a.key for a in world.store.due_artefacts()] == [orphan.key]
    world.store.gone(orphan.key)
    assert list(world.store.due_artefacts()) == []
    assert world.store.artefact(ACME, film.key) == replace(film, expires=START + 2 * RULES.orphan_ms)


@pytest.mark.parametrize("end", ["fail", "stop", "delete", "reap"])
def test_what_a_job_without_a_film_has_stored_goes_when_it_ends(world, end):
    job = running(world)
    if end == "delete":  # while the film is on its way out: its objects are noted after that
        world.store.delete(ACME, job.id)
    world.store.note(artefact(job), job.fence)
    if end == "fail":
        world.store.fail(job.id, job.fence, error="x", text="y")
    elif end == "reap":
        world.store.cancel(ACME, job.id)
        world.jump(RULES.lease_ms)
        world.store.reap()
    else:
        if end == "stop":
            world.store.cancel(ACME, job.id)
        world.store.stop(job.id, job.fence)

    assert [each.key for each in world.store.due_artefacts()] == [artefact(job).key]


def test_an_artefact_of_another_tenant_is_not_there(world):
    job = running(world)
    world.store.note(artefact(job), job.fence)

    assert world.store.artefact(BOLT, artefact(job).key) is None


def test_an_upload_is_kept_until_its_time_comes(world):
    upload = Artefact(key="up/1", tenant=ACME, job=None, sha256="cd" * 32, key_id="", expires=START + 10)
    world.store.keep(upload)

    assert world.store.artefact(ACME, "up/1") == upload
    world.jump(10)
    assert world.store.artefact(ACME, "up/1") is None
    assert list(world.store.due_artefacts()) == [upload]


# Lists and queues ----------------------------------------------------------------------------------------------------


def test_pages_together_are_the_whole_list_in_both_directions(world):
    made = []
    for n in range(7):
        made.append(queued(world).id)
        world.jump(n % 2)  # some are made in the same millisecond

    for newest_first in (True, False):
        seen: list[JobId] = []
        after = None
        while True:
            page = world.store.list(ACME, after=after, limit=2, newest_first=newest_first)
            seen += [j.id for j in page.jobs]
            assert page.total == 7
            if not page.more:
                break
            after = seen[-1]
        ordered = sorted((world.store.get(ACME, i) for i in made), key=lambda j: (j.created, j.id))
        assert seen == [j.id for j in (reversed(ordered) if newest_first else ordered)]


def test_a_list_goes_on_after_a_job_that_was_deleted_meanwhile(world):
    jobs = []
    for _ in range(3):
        jobs.append(queued(world))
        world.jump(1)
    world.store.delete(ACME, jobs[1].id)

    page = world.store.list(ACME, after=jobs[1].id)

    assert [j.id for j in page.jobs] == [jobs[0].id]


def test_a_list_cannot_begin_at_another_tenants_job(world):
    job = queued(world, tenant=BOLT)

    with pytest.raises(BadField, match="Begin without"):
        world.store.list(ACME, after=job.id)


def test_a_list_is_filtered_by_state_time_and_model_and_counted(world):
    queued(world, model="old")
    world.jump(10)
    wanted = queued(world, model="new")
    queued(world, model="new", tenant=BOLT)
    world.jump(10)
    queued(world, model="new")

    page = world.store.list(ACME, states=[State.QUEUED], since=START + 5, until=START + 15, model="new")

    assert (page.jobs, page.more, page.total) == ((wanted,), False, 1)


def test_a_list_can_be_read_by_offset(world):
    for _ in range(5):
        queued(world)
        world.jump(1)

    whole = world.store.list(ACME, limit=5).jobs
    page = world.store.list(ACME, limit=2, offset=2)

    assert (page.jobs, page.more, page.total) == (whole[2:4], True, 5)


def test_a_job_knows_what_is_ahead_of_it(world):
    first = running(world, estimated_ms=3000)
    world.store.checkpoint(first.id, 0, first.fence, b"x")  # 2,000 ms are left
    queued(world, tenant=BOLT, estimated_ms=500)
    world.jump(1)
    mine = queued(world, estimated_ms=700)
    queued(world, priority=-1)

    assert world.store.ahead(ACME, mine.id) == Ahead(jobs=1, work_ms=2500)
    assert world.store.ahead(ACME, first.id) is None
    assert world.store.backlog() == Backlog(queued=3, running=1, work_ms=4200, oldest=START)


def test_an_empty_store_has_no_backlog(world):
    assert world.store.backlog() == Backlog(queued=0, running=0, work_ms=0, oldest=None)


def test_the_earliest_job_is_the_oldest_that_has_not_ended_whether_it_waits_or_runs(world):
    nothing = world.store.earliest()
    first = running(world)
    world.jump(1)
    second = queued(world)
    seen = world.store.earliest()
    world.store.hand_back(first.id, first.fence)
    again = world.store.earliest()
    world.store.cancel(ACME, first.id)

    assert (nothing, seen, again, world.store.earliest()) == (None, first.created, first.created, second.created)


# Tenants -------------------------------------------------------------------------------------------------------------

LOOKS = {
    "get": lambda s, i: s.get(BOLT, i),
    "ahead": lambda s, i: s.ahead(BOLT, i),
    "cancel": lambda s, i: s.cancel(BOLT, i),
    "delete": lambda s, i: s.delete(BOLT, i),
    "history": lambda s, i: s.history(BOLT, i),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_another_tenants_job_is_unknown_in_the_same_words_as_none(world, look):
    job = queued(world)
    ghost = new_id(bytes(16))

    with pytest.raises(UnknownJob) as foreign:
        look(world.store, job.id)
    with pytest.raises(UnknownJob) as none:
        look(world.store, ghost)

    assert str(foreign.value) == str(none.value).replace(ghost, job.id)
    assert world.store.get(ACME, job.id) == job


# Events and the outbox -----------------------------------------------------------------------------------------------


def test_every_move_is_an_event(world):
    job = running(world)
    world.store.hand_back(job.id, job.fence)
    (job,) = world.store.claim("studio-2")
    world.jump(5)
    world.store.fail(job.id, job.fence, error="generation_failed", text="It failed.")

    moves = [(e.at - START, e.state, e.fence, e.owner, e.note) for e in world.store.history(ACME, job.id)]

    assert moves == [
        (0, State.QUEUED, 0, None, None),
        (0, State.RUNNING, 1, "studio-1", None),
        (0, State.QUEUED, 1, "studio-1", None),
        (0, State.RUNNING, 2, "studio-2", None),
        (5, State.FAILED, 2, "studio-2", "generation_failed"),
    ]


def test_an_end_is_told_again_less_and_less_often_until_it_is_delivered(world):
    job = done(world, running(world, webhook="https://a.test/"))

    waits = []
    for n in range(RULES.webhook_tries):
        (parcel,) = world.store.due_parcels()
        assert (parcel.event, parcel.job, parcel.state, parcel.tries) == (f"evt_{job.id}", job.id, job.state, n + 1)
        waits.append(RULES.webhook_base_ms << n)
        world.jump(waits[-1] - 1)
        assert list(world.store.due_parcels()) == []
        world.jump(1)

    assert waits == [5000, 10000, 20000, 40000, 80000, 160000, 320000, 640000]
    assert list(world.store.due_parcels()) == []  # given up


def test_tenants_take_turns_at_being_told_of_ends(world):
    """One whose hosts keep silent has hundreds due, and another's first one is not behind them."""
    made = [done(world, running(world, tenant=ACME, webhook="https://a.test/")) for _ in range(5)]
    world.jump(1)
    made += [done(world, running(world, tenant=BOLT, webhook="https://a.test/")) for _ in range(2)]

    rounds = [world.store.due_parcels(3), world.store.due_parcels(2), world.store.due_parcels(20)]

    assert [sorted(parcel.tenant for parcel in each) for each in rounds] == [
        [ACME, ACME, BOLT],
        [ACME, BOLT],
        [ACME] * 2,
    ]
    assert {parcel.job for each in rounds for parcel in each} == {job.id for job in made}


def test_a_delivered_event_is_not_told_again(world):
    done(world, running(world, webhook="https://a.test/"))
    (parcel,) = world.store.due_parcels()

    world.store.delivered(parcel.event)
    world.jump(DAY)

    assert list(world.store.due_parcels()) == []


def test_nobody_is_told_who_gave_no_address(world):
    done(world, running(world))

    assert list(world.store.due_parcels()) == []


# Waiting -------------------------------------------------------------------------------------------------------------


def later(action: Any, seconds: float = 0.1) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_studio_is_woken_by_work(world):
    later(lambda: queued(world))

    assert world.store.wait_for_work(10) is True


def test_a_studio_that_waits_in_vain_hears_so(world):
    assert world.store.wait_for_work(0.05) is False


def test_a_studio_is_woken_by_a_cancel(world):
    job = running(world)
    later(lambda: world.store.cancel(ACME, job.id))

    assert list(world.store.wait_for_cancel("studio-1", 10)) == [job.id]


def test_a_job_can_be_watched_to_its_end_without_a_thread(world):
    job = running(world)

    async def see() -> list[Job]:
        return [found async for found in watch(world.store, ACME, job.id)]

    later(lambda: world.store.checkpoint(job.id, 0, job.fence, b"x"))
    later(lambda: done(world, job), 0.3)
    seen = asyncio.run(asyncio.wait_for(see(), 10))

    assert [(j.state, j.chunks_done) for j in seen] == [
        (State.RUNNING, 0),
        (State.RUNNING, 1),
        (State.SUCCEEDED, 3),
    ]


def test_a_change_by_another_process_wakes_within_a_second(lasting):
    from serving.jobs.sql.store import open_store

    other = open_store(lasting.address, migrated=False)
    lasting.store.wait_for_work(0.01)  # the feed runs from here on
    later(lambda: other.submit(draft()), 0.3)
    begun = time.monotonic()

    assert lasting.store.wait_for_work(20)
    assert time.monotonic() - begun < 1.3
    other.close()
