"""What a store keeps for accounts: one suite for SQLite, Postgres and the in-memory twin."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Limited
from serving.jobs.accounts import DataKey
from serving.jobs.job import Draft, Job, State, TenantId, new_id
from serving.jobs.sql.store import open_store
from serving.meter.quotas import Quota
from tests.integration.worlds import RULES, START, World

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")
MINUTE = 60_000  # ms
HOUR = 60 * MINUTE


def draft(tenant: TenantId = ACME, **values: Any) -> Draft:
    made = Draft(id=new_id(os.urandom(16)), tenant=tenant, order='{"x":1}', fingerprint="f", estimated_ms=900, chunks=3)
    return replace(made, **values)


def submitted(world: World, **values: Any) -> Job:
    return world.store.submit(draft(**values)).job


def done(world: World, job: Job) -> Job:
    return world.store.complete(job.id, job.fence, result="{}", usage='{"s":3}', keep_ms=24 * HOUR)


# The line ------------------------------------------------------------------------------------------------------------


def test_jobs_are_claimed_by_when_they_are_due(world):
    late = submitted(world, due_within_ms=90_000)
    never = submitted(world)
    soon = submitted(world, due_within_ms=10_000)

    assert [job.id for job in world.store.claim("studio-1", 3)] == [soon.id, late.id, never.id]


def test_a_job_that_is_overdue_is_late_and_not_lost(world):
    job = submitted(world, due_within_ms=1_000)
    world.jump(HOUR)
    world.store.reap()

    assert world.store.claim("studio-1")[0].id == job.id


def test_the_line_is_what_is_in_hand_and_then_what_waits_as_it_will_be_claimed(world):
    first = submitted(world, due_within_ms=1_000)
    running = world.store.claim("studio-1")[0]
    world.store.checkpoint(running.id, 0, running.fence, b"x")
    late, soon = submitted(world, due_within_ms=9_000), submitted(world, due_within_ms=5_000)
    world.jump(500)

    hands, line = world.store.line(10)

    assert [(each.id, each.left_ms, each.worked_ms) for each in hands] == [(first.id, 600, 500)]
    assert [(each.id, each.due) for each in line] == [(soon.id, START + 5_000), (late.id, START + 9_000)]
    assert len(world.store.line(1)[1]) == 1


def test_the_terms_of_a_job_stay_with_it(world):
    job = submitted(world, terms='{"service":"standard"}', key="k1")

    found = world.store.get(ACME, job.id)

    assert (found.terms, found.key) == ('{"service":"standard"}', "k1")


# Quotas --------------------------------------------------------------------------------------------------------------


def test_no_more_films_are_taken_on_in_a_minute_than_agreed(world):
    quotas = (Quota(per_minute=2),)
    submitted(world, quotas=quotas)
    world.jump(20_000)
    submitted(world, quotas=quotas)
    world.jump(10_000)

    with pytest.raises(Limited) as refused:
        submitted(world, quotas=quotas)

    assert refused.value.retry_after == 30
    world.jump(29_999)
    with pytest.raises(Limited):
        submitted(world, quotas=quotas)
    world.jump(1)
    submitted(world, quotas=quotas)


def test_who_waits_as_long_as_was_said_is_let_in(world):
    quotas = (Quota(per_minute=1),)
    submitted(world, quotas=quotas)
    world.jump(12_345)
    with pytest.raises(Limited) as refused:
        submitted(world, quotas=quotas)
    world.jump(refused.value.retry_after * 1000)

    assert submitted(world, quotas=quotas).state is State.QUEUED


def test_no_more_films_are_under_way_than_agreed(world):
    quotas = (Quota(open=1),)
    job = submitted(world, quotas=quotas)
    with pytest.raises(Limited, match="under way"):
        submitted(world, quotas=quotas)

    world.store.cancel(ACME, job.id)

    submitted(world, quotas=quotas)


def test_money_that_is_held_counts_until_the_job_fails(world):
    quotas = (Quota(spend=100),)
    submitted(world, quotas=quotas, reserve=60)
    with pytest.raises(Limited) as refused:
        submitted(world, quotas=quotas, reserve=41)
    assert refused.value.quota
    world.jump(1)
    submitted(world, quotas=quotas, reserve=40)

    running = world.store.claim("studio-1")[0]
    world.store.fail(running.id, running.fence, error="generation_failed", text="x")

    submitted(world, quotas=quotas, reserve=60)


def test_money_that_was_billed_counts_after_the_film_is_gone(world):
    quotas = (Quota(spend=100),)
    submitted(world, quotas=quotas, reserve=60)
    job = done(world, world.store.claim("studio-1")[0])
    world.store.delete(ACME, job.id)

    with pytest.raises(Limited):
        submitted(world, quotas=quotas, reserve=41)


def test_a_new_month_begins_at_nothing(world):
    quotas = (Quota(spend=100),)
    submitted(world, quotas=quotas, reserve=100)
    world.jump(31 * 24 * HOUR)

    submitted(world, quotas=quotas, reserve=100)


def test_a_key_has_its_own_quota_within_its_tenants(world):
    tenant, key = Quota(per_minute=3), Quota(key="k1", per_minute=1)
    submitted(world, key="k1", quotas=(tenant, key))
    with pytest.raises(Limited, match="This key"):
        submitted(world, key="k1", quotas=(tenant, key))

    submitted(world, key="k2", quotas=(tenant,))
    submitted(world, key="k2", quotas=(tenant,))
    with pytest.raises(Limited, match="This account"):
        submitted(world, key="k2", quotas=(tenant,))


def test_another_tenants_films_do_not_count(world):
    submitted(world, tenant=BOLT, quotas=(Quota(per_minute=1),))

    submitted(world, quotas=(Quota(per_minute=1, open=1),))


def test_a_repeat_of_an_old_request_breaks_no_quota(world):
    values: dict[str, Any] = {"idempotency_key": "one", "quotas": (Quota(per_minute=1, open=1),)}
    job = submitted(world, **values)

    assert submitted(world, **values).id == job.id


@pytest.mark.parametrize("quota", [Quota(per_minute=7), Quota(open=7), Quota(spend=70)])
def test_four_gateways_at_once_never_exceed_a_limit(lasting, quota):
    stores = [open_store(lasting.address, RULES, migrated=False) for _ in range(4)]

    def one(number: int) -> bool:
        try:
            stores[number % 4].submit(draft(quotas=(quota,), reserve=10))
        except Limited:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(one, range(60)))
    for store in stores:
        store.close()

    assert sum(taken) == 7
    assert len(lasting.store.board(limit=100)) == 7


# Windows, rejections, terms of accounts ------------------------------------------------------------------------------


def test_rejections_are_counted_by_hour_and_reason(world):
    for reason in ("queue_full", "queue_full", "rate_limited"):
        world.store.turn_away(ACME, reason)
    world.jump(HOUR)
    world.store.turn_away(ACME, "queue_full")
    hour = START // HOUR

    found = world.store.turned_away(hour, hour + 1)

    assert [(each.reason, each.number) for each in found] == [("queue_full", 2), ("rate_limited", 1)]


def test_an_hour_that_is_settled_stays_as_it_is(world):
    world.store.keep_window(ACME, 7, "a")
    world.store.keep_window(ACME, 7, "b")
    world.store.window_logged(ACME, 7)

    assert [(each.line, each.logged) for each in world.store.windows(0, 8)] == [("a", START)]


def test_terms_of_accounts_are_kept_and_forgotten(world):
    world.store.set_account("t-acme", '{"open":1}')
    world.store.set_account("t-acme", '{"open":2}')
    world.store.set_account("t-bolt", "{}")
    world.store.set_account("t-bolt", None)

    assert dict(world.store.accounts()) == {"t-acme": '{"open":2}'}


def test_usage_is_found_by_tenant_and_time_and_newest_first(world):
    for tenant in (ACME, BOLT, ACME):
        submitted(world, tenant=tenant)
        done(world, world.store.claim("studio-1")[0])
        world.jump(10)

    assert [each.at for each in world.store.usage_of(ACME, START, START + 21)] == [START, START + 20]
    assert [each.at for each in world.store.newest_usage(2)] == [START + 20, START + 10]


# Erasure -------------------------------------------------------------------------------------------------------------


def test_erasure_ends_what_is_open_and_forgets_what_was_asked(world):
    finished = submitted(world, webhook="https://acme.example/", idempotency_key="k")
    done(world, world.store.claim("studio-1")[0])
    waiting, running = submitted(world), None
    world.store.cancel(ACME, waiting.id)
    submitted(world)
    running = world.store.claim("studio-1")[0]
    bystander = submitted(world, tenant=BOLT)

    assert world.store.erase(ACME) is None
    world.store.stop(running.id, running.fence)
    assert world.store.erase(ACME) == 1
    assert world.store.erase(ACME) == 0

    jobs = [world.store.look(each.id) for each in (finished, waiting, running)]
    assert {(j.state, j.order, j.result, j.webhook, j.fingerprint) for j in jobs} == {
        (State.EXPIRED, "{}", None, None, "")
    }
    assert world.store.look(bystander.id).order == '{"x":1}'
    assert len(world.store.usage_of(ACME, 0, START + HOUR)) == 1
    assert world.store.due_parcels() == []


def test_an_erasure_that_is_done_keeps_its_first_proof(world):
    world.store.ask_erasure("e" * 32, ACME)
    world.store.ask_erasure("e" * 32, ACME)
    world.store.erased("e" * 32, "one")
    world.store.erased("e" * 32, "two")

    assert [(each.tenant, each.proof, each.done) for each in world.store.erasures()] == [(ACME, "one", START)]


# Data keys -----------------------------------------------------------------------------------------------------------


def data_key(world: World, letter: str = "a", tenant: TenantId = ACME) -> DataKey:
    return world.store.keep_data_key(DataKey(id=letter * 32, tenant=tenant, wrapped=letter.encode() * 60))


def test_a_tenant_has_one_data_key_and_the_first_one_counts(world):
    first = data_key(world, "a")

    assert data_key(world, "b") == first
    assert world.store.data_key(ACME) == world.store.data_key(ACME, "a" * 32) == first
    assert world.store.data_key(ACME, "b" * 32) is None
    assert world.store.data_key(BOLT) is None


def test_a_destroyed_key_is_gone_and_its_id_stays(world):
    assert not world.store.has_data_keys()
    data_key(world, "a")
    others = data_key(world, "c", BOLT)

    assert world.store.destroy_data_keys(ACME) == ("a" * 32,)
    assert world.store.data_key(ACME) is None
    world.jump(1)
    assert data_key(world, "b").id == "b" * 32
    assert world.store.destroy_data_keys(ACME) == world.store.destroy_data_keys(ACME) == ("a" * 32, "b" * 32)
    assert world.store.data_key(BOLT) == others
    assert world.store.has_data_keys()


def test_a_destroyed_key_is_in_no_file_of_an_embedded_store(sqlite_worlds):
    world = sqlite_worlds()
    wrapped = data_key(world, "k").wrapped
    folder = Path(world.address.removeprefix("sqlite:///")).parent
    mine = [each for each in folder.iterdir() if each.name.startswith(Path(world.address).name)]

    assert any(wrapped in each.read_bytes() for each in mine)
    world.store.destroy_data_keys(ACME)
    assert not any(wrapped in each.read_bytes() for each in mine)
    world.store.close()
