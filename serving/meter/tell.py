"""What `equerry meter` prints: JSON for scripts, tables for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from policies.moments import written
from policies.window import print_table
from serving.jobs.accounts import Erasure
from serving.meter.account import Account
from serving.meter.cost import Cost
from serving.meter.pages import to_csv, to_html
from serving.meter.reconcile import Reconciled
from serving.meter.statement import Statement
from serving.sla.report import Report

__all__ = ["STATEMENTS", "account", "costs", "erasures", "reconciled", "report", "waiting"]

MILLION: Final = 1_000_000
NOT_YET: Final = "not done yet. A running cell does it; `equerry cell status` says whether it runs"


def _json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _statement(found: Statement) -> None:
    table = Table("delivered", "job", "what", "seconds", "promotion", "price")
    for line in found.lines:
        seconds = f"{line.output_ms / 1000:g}" + (f" + {line.input_ms / 1000:g}" if line.input_ms else "")
        what = f"{line.mode} {line.resolution}"
        table.add_row(written(line.delivered), line.job, what, seconds, line.promotion or "", str(line.price))
    print_table(Console(), table)
    for money in found.totals.values():
        typer.echo(f"{found.tenant} owes {money} for {found.month}.")
    if not found.lines:
        typer.echo(f"{found.tenant} owes nothing for {found.month}: no film was delivered.")


#: How a statement can be written.
STATEMENTS: Final[Mapping[str, Callable[[Statement], None]]] = {
    "table": _statement,
    "json": lambda found: _json(found.shown()),
    "csv": lambda found: typer.echo(to_csv(found), nl=False),
    "html": lambda found: typer.echo(to_html(found), nl=False),
}


def reconciled(found: Reconciled, as_json: bool) -> None:
    """What was compared."""
    totals = [{"amount": each.amount, "currency": each.currency.value} for each in found.totals]
    if as_json:
        findings = [asdict(each) for each in found.findings]
        counts = {"delivered": found.delivered, "billed": found.billed, "logged": found.logged}
        _json({"month": str(found.month), **counts, "totals": totals, "findings": findings})
        return
    log = "" if found.logged is None else f", {found.logged} of them marked by the log"
    sums = " and ".join(map(str, found.totals)) or "nothing"
    typer.echo(f"{found.month}: {found.delivered} films delivered, {found.billed} billed{log}; {sums} in all.")
    for each in found.findings:
        typer.echo(f"{each.code} {each.job}: {each.words}")
    typer.echo("Everything fits." if not found.findings else f"{len(found.findings)} findings.")


def costs(found: Sequence[Cost], as_json: bool) -> None:
    """What loses comes first."""
    if as_json:
        _json([each.shown() for each in found])
        return
    table = Table("tenant", "model", "class", "what", "films", "engine s / film s", "income", "cost", "")
    for each in found:
        cost = "unknown" if each.cost is None else str(each.cost)
        mark = "[bold red]LOSES MONEY[/]" if each.loses else ""
        what = (each.tenant, each.model, each.service, each.kind, str(each.films), f"{each.engine_per_second:.2f}")
        table.add_row(*what, str(each.income), cost, mark)
    print_table(Console(), table)
    if any(each.cost is None for each in found):
        typer.echo("Costs in money need meter.engine_hour in the cell's settings.")


def report(found: Report, as_json: bool) -> None:
    """One month of promises."""
    if as_json:
        _json(found.shown())
        return
    w, promised = found.window, found.service.availability
    table = Table("", "reached", "promised")
    table.add_row("available inside the boundary", _part(found.reached.inside), _part(promised.inside))
    table.add_row("available in total", _part(found.reached.total), _part(promised.total))
    if found.percentile is not None:
        high = "more" if found.percentile.high is None else f"{found.percentile.high / 1000:g}"
        name = f"{found.service.percentile}th percentile of time to video"
        table.add_row(name, f"{found.percentile.low / 1000:g} to {high} s", "")
    print_table(Console(), table)
    in_time = f"{w.kept} of {w.ok} films in time" if w.ok else "no films"
    typer.echo(
        f"{found.tenant}, {found.month}, {found.service.name}: {w.count} requests, {in_time}, {found.hours} hours."
    )
    back = " and ".join(map(str, found.credits)) or "nothing"
    typer.echo(f"{back[0].upper()}{back[1:]} goes back ({found.credit_percent} %).")
    if not found.hours:
        typer.echo("No hour of this month is settled yet: an hour is when its jobs have ended, 48 hours later at most.")


def account(name: str, found: Account, as_json: bool) -> None:
    """Terms of a tenant or key."""
    terms: dict[str, Any] = json.loads(found.write())
    if as_json:
        _json({"subject": name, **terms})
        return
    words = ", ".join(f"{term} {value}" for term, value in terms.items()) or "nothing is limited"
    typer.echo(f"{name}: {words}.")


def erasures(found: Sequence[Erasure], as_json: bool) -> None:
    """What was asked for, and what is done."""
    shown = [{**asdict(each), "proof": json.loads(each.proof) if each.proof else None} for each in found]
    if as_json:
        _json(shown)
        return
    if not shown:
        typer.echo("No erasure was asked for.")
    for each in shown:
        proof = each["proof"]
        end = f"done; entry {proof['entry']} of the residency log says so" if proof else NOT_YET
        typer.echo(f"{each['id']} of {each['tenant']}, asked for {written(each['asked'])}: {end}.")


@contextmanager
def waiting(words: str, seconds: int) -> Iterator[None]:
    """A sign of life on a terminal."""
    with Console(stderr=True).status(f"{words}, up to {seconds} s"):
        yield


def _part(millionths: int) -> str:
    return f"{100 * millionths / MILLION:.3f} %"
