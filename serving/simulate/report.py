"""What a simulation says, for people and for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, fields
from statistics import median
from typing import Any

from rich.table import Table

from serving.simulate.scenario import HOUR_MS, Scenario
from serving.simulate.tally import Tally

__all__ = ["as_json", "money_table", "promise_table", "summary"]


def eta_error(tally: Tally) -> float | None:
    """Median of the absolute errors of the foretold times, relative."""
    return median(tally.eta_errors) if tally.eta_errors else None


def gpu_hours(tally: Tally, gpus: int) -> tuple[float, float]:
    """Hours of GPUs at work on films, and hours that they were there."""
    return tally.hand_ms * gpus / HOUR_MS, tally.up_ms * gpus / HOUR_MS


def summary(whole: Scenario, tally: Tally, seconds: float) -> Iterator[tuple[str, str]]:
    """Lines of the overview."""
    used, there = gpu_hours(tally, whole.gpus)
    yield "cells", f"{len(whole.cells)} in {whole.zones} zones, {len(whole.tenants)} tenants"
    yield "lasted", f"{tally.lasted_ms / HOUR_MS:.1f} h of simulated time in {seconds:.0f} s"
    yield "requests", f"{tally.requests:,}, {tally.requests / seconds:,.0f} a second simulated"
    yield "residency violations", f"{tally.violations:,}"
    yield "sent where they may not run", f"{tally.strays:,}, refused at the border {tally.refused_at_the_border:,}"
    yield "that may run nowhere", f"{tally.nowhere:,}"
    yield "accepted", f"{tally.accepted:,}, {tally.elsewhere:,} of them by another lawful cell than the first"
    yield "turned away", ", ".join(f"{why} {count:,}" for why, count in tally.turned.most_common()) or "none"
    yield "broken off by outages", f"{tally.resumed:,}, all taken up again"
    yield "accepted and lost", f"{tally.lost:,}"
    error = eta_error(tally)
    yield "error of the ETA", "-" if error is None else f"{error:.1%}, median"
    yield "GPU-hours", f"{used:,.0f} at work of {there:,.0f} ({used / max(1e-9, there):.0%})"


def promise_table(tally: Tally) -> Table:
    """Promises by class of service."""
    table = Table(title="Promises")
    for heading in ("class", "asked", "accepted", "wait kept", "wait and video kept"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, each in sorted(tally.services.items()):
        of = max(1, each.accepted)
        row = (f"{each.accepted / max(1, each.asked):.1%}", f"{each.wait_kept / of:.2%}", f"{each.kept / of:.2%}")
        table.add_row(name, f"{each.asked:,}", *row)
    return table


def money_table(whole: Scenario, tally: Tally) -> Table:
    """Money for a film against what its GPUs cost, where the price is in EUR. Idle time is charged to films evenly."""
    table = Table(title="Money a film, EUR")
    for heading in ("resolution", "films", "price", "cost at work", "cost, idle time included", ""):
        table.add_column(heading, justify="left" if heading == "resolution" else "right")
    for row in money(whole, tally):
        mark = "loses money" if row["price"] < row["cost_with_idle"] else ""
        amounts = (f"{row[name] / 100:.2f}" for name in ("price", "cost", "cost_with_idle"))
        table.add_row(row["resolution"], f"{row['films']:,}", *amounts, mark)
    return table


def money(whole: Scenario, tally: Tally) -> list[dict[str, Any]]:
    """The same as rows; amounts in cents."""
    idle = tally.up_ms / max(1, tally.hand_ms)
    rows = []
    for tier, films in sorted(tally.paid_films.items()):
        cost = tally.paid_hand_ms[tier] / HOUR_MS * whole.gpus * whole.gpu_hour / films
        price = tally.earned[tier] / films
        rows.append(
            {"resolution": str(tier), "films": films, "price": price, "cost": cost, "cost_with_idle": cost * idle}
        )
    return rows


def as_json(whole: Scenario, tally: Tally, seconds: float) -> dict[str, Any]:
    """For a script."""
    used, there = gpu_hours(tally, whole.gpus)
    told: dict[str, Any] = {}
    for each in fields(tally):
        value = getattr(tally, each.name)
        if isinstance(value, int):
            told[each.name] = value
        elif isinstance(value, Counter) and each.name in ("turned", "revenue", "made"):
            told[each.name] = {str(name): count for name, count in value.items()}
    return {
        "seed": whole.seed,
        "model": whole.model,
        "cells": len(whole.cells),
        "zones": whole.zones,
        "tenants": len(whole.tenants),
        "seconds": seconds,
        **told,
        "services": {name: asdict(each) for name, each in sorted(tally.services.items())},
        "lost": tally.lost,
        "eta_error": eta_error(tally),
        "gpu_hours": {"at_work": used, "there": there},
        "money_eur_cents": money(whole, tally),
    }
