"""Statements, costs, reconciliation and quotas: pure functions over usage rows."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.money import Currency, Money
from serving.errors import Broken, Limited, Refused
from serving.jobs.accounts import Delivered
from serving.jobs.job import JobId, TenantId
from serving.meter.account import Account, quotas_of
from serving.meter.cost import costs
from serving.meter.month import Month, month_of
from serving.meter.pages import to_csv, to_html
from serving.meter.quotas import Quota, Tally, hold
from serving.meter.reconcile import reconcile
from serving.meter.statement import statement
from serving.sla.terms import Terms
from tests.unit.serving.meter_rows import BOOK, NOVEMBER, bare, row, terms

MONTH = Month(2026, 11)
EUR = Currency.EUR


def owed(*rows, tenant="t-acme"):
    return statement(tenant, MONTH, rows, [BOOK], EUR)


def ended(*rows):
    return [Delivered(job=JobId(r.job), tenant=TenantId(r.tenant), at=r.at) for r in rows]


# Months --------------------------------------------------------------------------------------------------------------


@given(st.integers(1_577_836_800_000, 4_000_000_000_000))
def test_every_instant_lies_in_its_month_and_in_no_other(at):
    month = month_of(at)

    assert month.since <= at < month.until
    assert month_of(month.until) > month
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "November", "2026-00"])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(Refused, match="2026-11"):
        Month.parse(text)


# Terms ---------------------------------------------------------------------------------------------------------------


def test_terms_come_back_as_they_were_written():
    assert Terms.read(terms().write()) == terms()


def test_a_job_without_terms_has_none_and_a_broken_one_says_so():
    assert Terms.read("{}") is None
    with pytest.raises(Broken):
        Terms.read('{"service":"gold"}')


# Statements ----------------------------------------------------------------------------------------------------------


def test_a_film_costs_what_was_agreed_whatever_the_book_says_now():
    assert owed(row(agreed=terms(price=7))).totals == {EUR: Money(7, EUR)}


def test_a_film_that_was_ordered_in_the_month_before_stands_where_it_was_delivered():
    edge = row(at=MONTH.until, ordered=MONTH.until - 1)

    assert owed(edge).lines == ()
    assert len(statement("t-acme", Month(2026, 12), [edge], [BOOK], EUR).lines) == 1


def test_a_row_without_terms_is_priced_by_the_book_of_its_day():
    assert owed(bare()).totals == {EUR: Money(48, EUR)}


def test_each_currency_has_its_own_sum():
    yen = row("c" * 32, agreed=terms(currency=Currency.JPY))

    assert owed(row(), yen).totals == {EUR: Money(60, EUR), Currency.JPY: Money(100, Currency.JPY)}


def test_another_tenants_films_are_not_on_it():
    assert owed(row(tenant="t-bolt")).lines == ()


@given(st.lists(st.integers(1, 15), max_size=30))
def test_json_csv_and_page_hold_the_same_sum(lengths):
    found = owed(*(row(f"{n:032x}", agreed=terms(seconds=s)) for n, s in enumerate(lengths)))
    amounts = [line["amount"] for line in found.shown()["lines"]]
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))

    assert sum(amounts) == sum(12 * s for s in lengths)
    assert sum(int(r["amount"]) for r in rows if r["job"] != "total") == sum(amounts)
    assert [int(r["amount"]) for r in rows if r["job"] == "total"] == ([sum(amounts)] if lengths else [])
    assert json.loads(json.dumps(found.shown()))["films"] == len(lengths)
    assert to_html(found).count("<tr><td>") == len(lengths)


def test_a_page_shows_no_markup_and_a_spreadsheet_no_formula_of_a_clients():
    found = owed(row(model="=HYPERLINK(1)<script>"))

    assert "<script>" not in to_html(found)
    assert "'=HYPERLINK" in to_csv(found)
    assert re.search(r"https?:", to_html(found)) is None


# Reconciliation ------------------------------------------------------------------------------------------------------


def test_bills_jobs_and_log_that_agree_give_no_finding():
    r = row()
    found = reconcile(MONTH, [r], ended(r), {r.job}, [BOOK], EUR)

    assert (found.findings, found.delivered, found.billed, found.logged) == ((), 1, 1, 1)


@pytest.mark.parametrize(
    ("code", "rows", "films", "marked"),
    [
        ("delivered.unbilled", [], [row()], set()),
        ("billed.undelivered", [row()], [], {row().job}),
        ("billed.unmarked", [row()], [row()], set()),
        ("billed.twice", [row(), row()], [row()], {row().job}),
        ("price.differs", [row(agreed=terms(price=1))], [row()], {row().job}),
        ("price.unknown", [row(ordered=1_000, agreed=terms(book="0" * 64))], [row()], {row().job}),
    ],
)
def test_what_does_not_fit_is_found(code, rows, films, marked):
    assert code in [each.code for each in reconcile(MONTH, rows, ended(*films), marked, [BOOK], EUR).findings]


def test_a_film_at_the_months_last_millisecond_whose_bill_came_after_it_fits():
    late = row(at=MONTH.until)
    film = [Delivered(job=JobId(late.job), tenant=TenantId("t-acme"), at=MONTH.until - 1)]

    assert reconcile(MONTH, [late], film, {late.job}, [BOOK], EUR).findings == ()


# Costs ---------------------------------------------------------------------------------------------------------------


def test_what_an_engine_costs_stands_against_what_films_bring():
    (found,) = costs([row()], [BOOK], EUR, engine_hour=36_000)

    assert (found.income, found.cost, found.loses) == (Money(60, EUR), Money(60, EUR), False)
    assert found.engine_per_second == pytest.approx(1.2)


def test_a_class_that_loses_money_comes_first_and_says_so():
    cheap = row("c" * 32, agreed=replace(terms(), service="batch", price=1))
    found = costs([row(), cheap], [BOOK], EUR, engine_hour=36_000)

    assert [(each.service, each.loses) for each in found] == [("batch", True), ("standard", False)]


def test_without_a_price_of_engines_nothing_is_said_to_lose():
    assert [each.cost for each in costs([row()], [BOOK], EUR, engine_hour=0)] == [None]


# Quotas --------------------------------------------------------------------------------------------------------------


def test_the_wait_for_a_new_month_is_until_it_begins():
    tally = Tally(now=MONTH.until - 5_500, edge=None, open=0, spent=90)
    with pytest.raises(Limited) as refused:
        hold(Quota(spend=100), tally, 11)

    assert (refused.value.retry_after, refused.value.quota) == (6, True)


def test_a_cap_may_be_reached_exactly():
    hold(Quota(spend=100), Tally(now=NOVEMBER, edge=None, open=0, spent=90), 10)


def test_a_request_is_held_by_its_tenants_limits_and_its_keys():
    accounts = {"t-a": Account(per_minute=5), "t-a/k1": Account(open=1), "t-a/k2": Account(open=2)}

    assert quotas_of(accounts, "t-a", "k1") == (Quota(per_minute=5), Quota(key="k1", open=1))
    assert quotas_of({"t-a": Account(currency=EUR)}, "t-a", "k1") == ()


def test_terms_of_an_account_come_back_as_they_were_written():
    account = Account(spend=0, currency=Currency.JPY, keep_hours=72)

    assert Account.read(account.write()) == account


@pytest.mark.parametrize("wrong", [{"per_minute": 0}, {"open": -1}, {"spend": -1}, {"keep_hours": 10**13}])
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(Refused):
        Account(**wrong)
