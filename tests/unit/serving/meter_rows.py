"""Usage rows and terms for tests of the meter."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.money import Currency
from policies.prices import load_prices, quote
from serving.jobs.job import JobId, TenantId
from serving.jobs.records import Usage
from serving.meter.usage import Billed, read, written
from serving.sla.terms import Terms

BOOK = load_prices()
NOVEMBER = 1_795_000_000_000  # 18 November 2026
HOUR = 3_600_000


def terms(at: int = NOVEMBER, *, seconds: int = 5, currency: Currency = Currency.EUR, **values: Any) -> Terms:
    facts = ClipFacts(mode=Mode.T2V, resolution=Resolution.P720, output_ms=seconds * 1000)
    found = quote(BOOK, facts, currency, at)
    made = Terms(
        service="standard",
        percentile=95,
        wait_ms=300_000,
        video_ms=400_000,
        eta_ms=9_000,
        mode=facts.mode,
        resolution=facts.resolution,
        output_ms=facts.output_ms,
        input_ms=0,
        work=1_000_000,
        currency=currency,
        price=found.total.amount,
        book=found.book,
        version=found.version,
        promotion=found.promotion,
        keep_ms=24 * HOUR,
    )
    return replace(made, **values)


def row(
    job: str = "a" * 32,
    at: int = NOVEMBER + 9_000,
    *,
    tenant: str = "t-acme",
    agreed: Terms | None = None,
    ordered: int = NOVEMBER,
    **told: Any,
) -> Billed:
    """A usage row, written as a studio writes it and read back."""
    found = terms(ordered) if agreed is None else agreed
    whole = {"mode": "t2v", "ms": found.output_ms, "width": 1280, "height": 720, "model": "equerry", "key": "k1"}
    line = written(found.write(), **{**whole, "ordered": ordered, "hand_ms": 8_000, "engine_ms": 6_000, **told})
    return read(Usage(job=JobId(job), tenant=TenantId(tenant), at=at, line=line))


def bare(job: str = "b" * 32, at: int = NOVEMBER) -> Billed:
    """A row of a job that was taken on without terms."""
    told = {"mode": "t2v", "ms": 4_000, "width": 1280, "height": 720, "model": "equerry", "key": "k1"}
    return read(Usage(job=JobId(job), tenant=TenantId("t-acme"), at=at, line=json.dumps(told)))
