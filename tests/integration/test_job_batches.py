"""Submits that share a transaction: each has its own answer, and what one is refused with hurts no other."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from serving.errors import Broken, Conflict, Limited
from serving.jobs.job import Draft, TenantId, new_id
from serving.jobs.records import Receipt
from serving.meter.quotas import Quota
from tests.integration.worlds import World

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")


def draft(tenant: TenantId = ACME, **values: Any) -> Draft:
    made = Draft(id=new_id(os.urandom(16)), tenant=tenant, order="{}", fingerprint="f", estimated_ms=1000, chunks=3)
    return replace(made, **values)


def fresh(told: object) -> bool:
    assert isinstance(told, Receipt), told
    return told.fresh


def ids(world: World) -> set[str]:
    return {job.id for job in world.store.board(limit=1000)}


def test_all_of_a_batch_are_there_when_it_returns_and_answers_come_in_order(world):
    drafts = [draft(tenant=(ACME, BOLT)[n % 2], fingerprint=f"f{-n}") for n in range(20)]

    told = world.store.submit_all(drafts)

    assert [receipt.job.id for receipt in told] == [each.id for each in drafts]
    assert all(map(fresh, told))
    assert ids(world) == {each.id for each in drafts}


def test_no_drafts_are_no_jobs(world):
    assert list(world.store.submit_all([])) == []


def test_two_with_one_key_in_one_batch_are_one_job(world):
    first, again = draft(idempotency_key="k"), draft(idempotency_key="k")

    told = world.store.submit_all([first, again])

    assert [fresh(each) for each in told] == [True, False]
    assert {each.job.id for each in told} == ids(world)


def test_a_conflict_is_its_own_and_the_others_become_jobs(world):
    one, other, third = draft(idempotency_key="k"), draft(idempotency_key="k", fingerprint="g"), draft(fingerprint="h")

    told = world.store.submit_all([one, other, third])

    assert (fresh(told[0]), type(told[1]), fresh(told[2])) == (True, Conflict, True)
    assert ids(world) == {one.id, third.id}


def test_a_quota_that_is_full_refuses_one_tenant_alone(world):
    most = (Quota(open=1),)
    drafts = [draft(quotas=most), draft(quotas=most, fingerprint="g"), draft(tenant=BOLT)]

    told = world.store.submit_all(drafts)

    assert [type(each) for each in told] == [Receipt, Limited, Receipt]
    assert ids(world) == {drafts[0].id, drafts[2].id}


def test_a_retry_in_the_same_batch_finds_its_first_attempt(world):
    first, retry = draft(), draft(retry_window_ms=60_000)

    told = world.store.submit_all([first, retry])

    assert {each.job.id for each in told} == {first.id}


@pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize("wrong", [{"estimated_ms": None}, {"order": '{"\ud800": 1}'}], ids=["no number", "no text"])
def test_a_draft_that_the_tables_do_not_take_breaks_alone(world, wrong):
    good, bad, also = draft(), draft(fingerprint="g", **wrong), draft(fingerprint="h")

    told = world.store.submit_all([good, bad, also])

    assert (fresh(told[0]), type(told[1]), fresh(told[2])) == (True, Broken, True)
    assert ids(world) == {good.id, also.id}
