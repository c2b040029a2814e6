"""`equerry meter`: bills, promises, costs and limits of a cell's tenants. No command shows a prompt."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from serving.errors import Refused, Unavailable
from serving.jobs.accounts import Erasure
from serving.jobs.job import TenantId
from serving.jobs.sql.store import SqlStore, open_store
from serving.meter import tell
from serving.meter.account import Account, subject
from serving.meter.month import Month
from serving.settings import CellSettings

if TYPE_CHECKING:
    from policies.money import Currency, Money
    from policies.sla import Service

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bill films, report promises and costs, keep limits, and erase what a tenant left.",
)

Cell = Annotated[Path, typer.Option("--cell", help="The cell's folder, or its settings file.", metavar="DIR")]
HERE: Final = Path("cell")
Tenant = Annotated[str, typer.Option(help="The tenant's id, as `equerry tenant list` shows it.", metavar="T")]
InMonth = Annotated[str, typer.Option("--month", help="Calendar month in UTC.", metavar="YYYY-MM")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
SLACK_MS: Final = 60_000  # by which a film and its bill may lie on two sides of a month's end


@app.command()
def statement(
    tenant: Tenant,
    month: InMonth,
    cell: Cell = HERE,
    form: Annotated[str, typer.Option("--format", help="table, json, csv or html.", metavar="F")] = "table",
) -> None:
    """What a tenant owes for a month: one line for each film that was delivered, at the price that was agreed.

    For example: equerry meter statement --cell eu --tenant t-0123456789abcdef --month 2026-11 --format html > nov.html
    """
    from policies.money import Currency
    from serving.meter.statement import statement as made
    from serving.meter.usage import read
    from serving.meter.whose import known
    from serving.offer import books_of

    writer = tell.STATEMENTS.get(form)
    if writer is None:
        raise Refused(f"There is no format {form[:20]!r}. Use {', '.join(tell.STATEMENTS)}.")
    with _opened(cell) as (settings, store):
        when = Month.parse(month)
        known(settings, tenant)
        rows = [read(row) for row in store.usage_of(TenantId(tenant), when.since, when.until)]
        writer(made(tenant, when, rows, books_of(settings), Currency(settings.meter.currency)))


@app.command()
def reconcile(
    month: InMonth,
    cell: Cell = HERE,
    no_log: Annotated[bool, typer.Option("--no-log", help="Leave the residency log out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare bills with jobs and with the residency log. Exit code 0 when all fits, 1 when something does not."""
    from policies.money import Currency
    from serving.meter.log import marked
    from serving.meter.reconcile import reconcile as compared
    from serving.meter.usage import read
    from serving.offer import books_of

    with _opened(cell) as (settings, store):
        when = Month.parse(month)
        since, until = when.since - SLACK_MS, when.until + SLACK_MS
        found = compared(
            when,
            [read(row) for row in store.usage(since, until)],
            store.delivered_between(since, until),
            None if no_log else marked(settings.log.folder / "residency", progress=not as_json),
            books_of(settings),
            Currency(settings.meter.currency),
        )
    tell.reconciled(found, as_json)
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def cost(
    month: InMonth,
    cell: Cell = HERE,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.", metavar="T")] = None,
    as_json: AsJson = False,
) -> None:
    """Seconds of engine for each second of film, and money spent against money earned. What loses comes first."""
    from policies.money import Currency
    from serving.meter.cost import costs
    from serving.meter.usage import read
    from serving.meter.whose import known
    from serving.offer import books_of

    with _opened(cell) as (settings, store):
        when = Month.parse(month)
        if tenant is not None:
            known(settings, tenant)
        rows = [read(row) for row in store.usage(when.since, when.until) if tenant in (None, row.tenant)]
        currency = Currency(settings.meter.currency)
        tell.costs(costs(rows, books_of(settings), currency, settings.meter.engine_hour), as_json)


@app.command("sla-report")
def sla_report(tenant: Tenant, month: InMonth, cell: Cell = HERE, as_json: AsJson = False) -> None:
    """What was promised a tenant in a month, what was kept, and what goes back.

    Availability inside the boundary counts what could lawfully run; in total, what could not for want of a compliant
    region counts too. Hours are there once all their jobs have ended.
    """
    from policies.sla_windows import HOUR_MS
    from serving.sla import windows
    from serving.sla.report import report

    with _opened(cell) as (settings, store):
        when = Month.parse(month)
        kept = store.windows(when.since // HOUR_MS, when.until // HOUR_MS)
        found = report(
            tenant,
            when,
            _service(settings, tenant),
            [windows.read(each.line) for each in kept if each.tenant == tenant],
            _bounds(settings),
            _bill(settings, store, tenant, when),
        )
    tell.report(found, as_json)


@app.command()
def limit(
    tenant: Tenant,
    cell: Cell = HERE,
    key: Annotated[str, typer.Option(help="Of this key alone, by its id.", metavar="K")] = "",
    per_minute: Annotated[int | None, typer.Option(help="Films taken on in any minute.")] = None,
    open_: Annotated[int | None, typer.Option("--open", help="Films that wait or are being made.")] = None,
    spend: Annotated[
        int | None, typer.Option(help="In a calendar month, in the minor unit: 50000 is 500.00 EUR.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, JPY or USD.", metavar="C")] = None,
    keep_hours: Annotated[int | None, typer.Option(help="Hours that films can be fetched.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take all of these terms away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set what a tenant, or one key, may ask for; without options, show it. What is not named is not limited.

    Limits hold in all gateways together, from two seconds after they are set.

    For example: equerry meter limit --cell cells/eu --tenant t-0123456789abcdef --per-minute 30 --spend 50000
    """
    from policies.money import Currency
    from serving.meter.whose import known

    if currency is not None and currency not in set(Currency):
        raise Refused(f"{currency[:10]!r} is no currency here. Use {', '.join(Currency)}.")
    if key and (currency or keep_hours):
        raise Refused("A key has its tenant's currency and retention. Set them without --key.")
    wanted = Account(
        per_minute=per_minute,
        open=open_,
        spend=spend,
        currency=None if currency is None else Currency(currency),
        keep_hours=keep_hours,
    )
    with _opened(cell) as (settings, store):
        known(settings, tenant, key)
        if clear or not wanted.empty:
            store.set_account(subject(tenant, key), None if clear else wanted.write())
        terms = store.accounts().get(subject(tenant, key))
    tell.account(subject(tenant, key), Account() if terms is None else Account.read(terms), as_json)


@app.command()
def erase(
    tenant: Tenant,
    cell: Cell = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[int, typer.Option(help="Seconds to wait for the proof; 0 does not wait.", min=0)] = 120,
    as_json: AsJson = False,
) -> None:
    """Erase all that a tenant left here: prompts, films, sources, uploads, addresses. Bills and states stay.

    The running cell does it and writes it into the residency log; the entry's number is the proof. Close the tenant
    first (`equerry tenant close`), or what it asks for meanwhile is erased too.
    """
    from serving.meter.whose import known

    with _opened(cell) as (settings, store):
        known(settings, tenant)
        if not yes:
            typer.confirm(f"Erase all that {tenant} left in this cell? Nothing brings it back.", abort=True)
        name = secrets.token_hex(16)
        store.ask_erasure(name, TenantId(tenant))
        done = _awaited(store, name, wait)
    tell.erasures([done], as_json)
    raise typer.Exit(0 if done.done is not None or not wait else Unavailable.exit_code)


@app.command()
def erasures(cell: Cell = HERE, as_json: AsJson = False) -> None:
    """All erasures that were asked for, and the proofs of those that are done."""
    with _opened(cell) as (_, store):
        tell.erasures(list(store.erasures()), as_json)


def _awaited(store: SqlStore, name: str, seconds: int) -> Erasure:
    end = time.monotonic() + seconds
    with tell.waiting("Waiting for the cell", seconds):
        while True:
            found = next(each for each in store.erasures() if each.id == name)
            if found.done is not None or time.monotonic() >= end:
                return found
            time.sleep(0.5)


def _service(settings: CellSettings, tenant: str) -> Service:
    """The tenant's class of service."""
    from serving.meter.whose import known
    from serving.offer import sla_of

    return sla_of(settings).by_name(known(settings, tenant).sla)


def _bounds(settings: CellSettings) -> tuple[int, ...]:
    from serving.offer import sla_of

    return sla_of(settings).bounds_ms


def _bill(settings: CellSettings, store: SqlStore, tenant: str, month: Month) -> dict[Currency, Money]:
    from policies.money import Currency
    from serving.meter.statement import statement as made
    from serving.meter.usage import read
    from serving.offer import books_of

    rows = [read(row) for row in store.usage_of(TenantId(tenant), month.since, month.until)]
    return made(tenant, month, rows, books_of(settings), Currency(settings.meter.currency)).totals


@contextmanager
def _opened(cell: Path) -> Iterator[tuple[CellSettings, SqlStore]]:
    """A cell's settings and its job store. Raises Refused when the cell has never run."""
    from serving.parts import database
    from serving.settings_file import load

    settings = load(cell / "cell.toml" if cell.is_dir() else cell)
    address = database(settings)
    file = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and not file.exists():
        raise Refused(f"The cell {cell} has no jobs yet: there is no {file}. Start it once, or name another cell.")
    store = open_store(address, migrated=False)
    try:
        yield settings, store
    finally:
        store.close()
