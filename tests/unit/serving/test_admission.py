"""The edge of admission over the in-memory store."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from model.clip import Mode, Size
from policies.money import Currency
from policies.prices import load_prices
from policies.sla import load_sla
from serving.admission import Admission, Offer
from serving.desk import Caller
from serving.errors import BadField, Broken, Limited
from serving.jobs.job import Draft, JobId, TenantId, new_id
from serving.jobs.memory import MemoryStore
from serving.meter.account import Account
from serving.meter.usage import written
from serving.sla.terms import Terms
from serving.wish import Wish
from tests.unit.serving.meter_rows import HOUR, NOVEMBER

ACME = TenantId("t-acme")


class Desk:
    """An admission with a clock, one hand, and films that take 5 s for each second."""

    def __init__(self, hands: int = 1, **offer: Any) -> None:
        self.now, self.hands = NOVEMBER, hands
        self.store = MemoryStore(lambda: self.now)
        told = Offer(
            sla=load_sla(),
            books=[load_prices()],
            currency=Currency.EUR,
            keep_ms=24 * HOUR,
            region="own-eu/eu-par-1",
            look_ms=0,
            learn_ms=0,
        )
        self.admission = Admission(
            self.store,
            replace(told, **offer),
            work=lambda _mode, _size, seconds, _references: seconds * 1_000,
            hands=lambda: self.hands,
            clock=lambda: self.now,
        )

    def agree(self, sla: str = "priority", *, seconds: int = 4, input_ms: int = 0, **values: Any) -> Draft:
        job = values.pop("id", new_id(os.urandom(16)))
        mode, key = values.pop("mode", Mode.T2V), values.pop("key", "k1")
        made = Draft(id=job, tenant=ACME, order="{}", fingerprint="f", estimated_ms=1, chunks=4, **values)
        caller = Caller(tenant=ACME, key=key, data_class="personal", decision=job, sla=sla)
        size = Size(1280, 720)
        wish = Wish(dialect="native", model="m", mode=mode, prompt="x", size=size, seconds=seconds, seed=1)
        return self.admission.agree(made, caller, wish, input_ms)

    def submit(self, sla: str = "priority", **values: Any) -> JobId:
        return self.store.submit(self.agree(sla, **values)).job.id

    def make(self, hand_ms: int) -> None:
        (job,) = self.store.claim("studio")
        self.now += hand_ms
        told = {"ms": 4_000, "width": 1280, "height": 720, "model": "m", "key": "k1", "ordered": job.created}
        line = written(job.terms, **told, hand_ms=hand_ms)
        self.store.complete(job.id, job.fence, result="{}", usage=line, keep_ms=HOUR)


def agreed(draft: Draft) -> Terms:
    found = Terms.read(draft.terms)
    assert found is not None
    return found


def test_the_terms_name_the_promise_the_price_and_the_book():
    found = agreed(Desk().agree())

    assert (found.service, found.wait_ms, found.video_ms) == ("priority", 20_000, 20_000 + 10_000 + 4 * 12_000)
    assert (found.price, found.currency, found.book) == (48, Currency.EUR, load_prices().digest)


def test_a_film_that_cannot_keep_its_promise_is_limited_with_a_wait_and_counted():
    desk = Desk()
    desk.submit()
    with pytest.raises(Limited) as refused:
        desk.agree()

    assert refused.value.retry_after > 0
    assert [(each.reason, each.number) for each in desk.store.turned_away(0, 2**40)] == [("queue_full", 1)]


def test_a_patient_class_is_taken_on_where_an_impatient_one_is_not():
    desk = Desk()
    desk.submit()

    assert agreed(desk.agree("standard")).wait_ms == 300_000


def test_a_repeat_of_a_film_that_waits_is_never_turned_away():
    desk = Desk()
    job = desk.submit(idempotency_key="one")
    with pytest.raises(Limited):
        desk.submit()

    assert desk.submit(idempotency_key="one") == job


def test_without_a_studio_nothing_is_taken_on_and_nothing_goes_elsewhere():
    desk = Desk(hands=0)
    with pytest.raises(Limited, match="borders"):
        desk.agree()

    assert [each.reason for each in desk.store.turned_away(0, 2**40)] == ["no_compliant_region"]


def test_a_film_that_no_wait_helps_is_the_callers_to_change():
    desk = Desk()
    for _ in range(3):
        desk.submit("batch")
        desk.make(400_000)

    with pytest.raises(BadField, match="fewer seconds"):
        desk.agree("priority")


def test_a_cell_learns_how_long_its_films_take():
    desk = Desk()
    for _ in range(3):
        desk.submit()
        desk.make(9_000)

    assert desk.agree().estimated_ms == 9_000


def test_a_usage_row_that_nobody_can_read_keeps_nobody_out():
    desk = Desk()
    desk.submit()
    (job,) = desk.store.claim("studio")
    desk.store.complete(job.id, job.fence, result="{}", usage='{"s":3}', keep_ms=HOUR)

    assert desk.agree().estimated_ms == 20_000


def test_what_waits_is_told_its_place_and_time():
    desk = Desk()
    first = desk.store.look(desk.submit("standard"))
    desk.now += 1
    second = desk.store.look(desk.submit("standard"))

    assert desk.admission.foretell(first) == (0, 20_000)
    assert desk.admission.foretell(second) == (1, 40_000)


def test_a_film_that_is_being_made_does_not_wait():
    desk = Desk()
    job = desk.store.look(desk.submit())
    desk.store.claim("studio")

    assert desk.admission.foretell(job) is None


def test_between_two_looks_a_gateway_remembers_what_it_took_on():
    desk = Desk(look_ms=1_000)
    desk.submit()

    with pytest.raises(Limited):
        desk.submit()


def test_a_cap_counts_what_was_spent_before_it_was_set():
    desk = Desk(hands=9)
    desk.submit()
    desk.store.set_account(ACME, Account(spend=95).write())

    with pytest.raises(Limited, match="spending cap"):
        desk.submit()


def test_a_tenants_own_currency_and_retention_are_in_the_terms():
    desk = Desk(hands=9)
    desk.store.set_account(ACME, Account(spend=100, currency=Currency.JPY, keep_hours=72).write())

    found = desk.agree()
    assert (found.reserve, agreed(found).currency, agreed(found).keep_ms) == (80, Currency.JPY, 72 * HOUR)


def test_limits_hold_for_the_key_that_asks():
    desk = Desk(hands=9)
    desk.store.set_account(f"{ACME}/k1", Account(open=1).write())
    desk.submit(key="k1")
    with pytest.raises(Limited, match="This key"):
        desk.submit(key="k1")

    desk.submit(key="k2")


def test_an_edit_is_charged_for_its_source_too():
    found = agreed(Desk(hands=9).agree(mode=Mode.EDIT, seconds=4, input_ms=3_700))

    assert (found.output_ms, found.input_ms, found.price) == (3_700, 3_700, 52 + 15)


def test_a_promotion_counts_at_the_instant_of_the_order():
    from policies.prices import Promotion

    book = load_prices()
    sale = Promotion.model_validate(
        {"id": "launch", "percent": 50, "from": "2026-11-18T00:00:00Z", "until": "2026-11-19T00:00:00Z"}
    )
    desk = Desk(hands=9, books=[book.model_copy(update={"promotions": (sale,)})])
    during = agreed(desk.agree())
    desk.now += 48 * HOUR

    assert (during.price, during.promotion) == (24, "launch")
    assert (agreed(desk.agree()).price, agreed(desk.agree()).promotion) == (48, None)


def test_a_day_without_a_price_takes_nothing_on():
    desk = Desk()
    desk.now -= 365 * 24 * HOUR

    with pytest.raises(Broken, match="no price"):
        desk.agree()


def test_a_class_of_service_that_nobody_knows_is_our_fault():
    with pytest.raises(Broken, match="SLA document"):
        Desk().agree("platinum")
