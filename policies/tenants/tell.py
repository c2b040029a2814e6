"""What the commands print: JSON for scripts, tables and plain lines for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policies.canonical import decode
from policies.moments import written
from policies.tenants.admission import Rejected
from policies.tenants.key import Key
from policies.tenants.notice import Notice
from policies.tenants.registrar import Minted
from policies.tenants.tenant import Instant, Tenant
from policies.window import print_table

__all__ = ["key", "keys", "minted", "notices", "outcome", "rejected", "tenant", "tenants"]

PIPE_WIDTH: Final = 200  # columns, where there is no terminal to fit


def outcome(facts: Mapping[str, object], sentence: str, as_json: bool) -> None:
    """One thing that was done."""
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=2) if as_json else sentence)


def tenant(found: Tenant, as_json: bool) -> None:
    """One tenant with its ceiling."""
    facts = _tenant(found)
    if as_json:
        outcome(facts, "", as_json)
        return
    ceiling = facts.pop("constraints")
    _pairs({**facts, **{name: _words(value) for name, value in ceiling.items() if _words(value)}})


def tenants(found: Sequence[Tenant], as_json: bool) -> None:
    """Many tenants, one a line."""
    if as_json:
        typer.echo(json.dumps([_tenant(each) for each in found], ensure_ascii=False, indent=2))
        return
    rows = [
        (each.id, each.name, each.sla, each.ceiling.home, _places(each), _when(each.closed) or "") for each in found
    ]
    _table(("tenant", "name", "SLA", "home", "may run in", "closed"), rows, "There are no tenants in this cell yet.")


def key(found: Key, now: Instant, as_json: bool) -> None:
    """One key, without the key."""
    facts = _key(found, now)
    if as_json:
        outcome(facts, "", as_json)
    else:
        _pairs({name: _words(value) for name, value in facts.items() if _words(value)})


def keys(found: Sequence[Key], now: Instant, as_json: bool) -> None:
    """Many keys, one a line."""
    if as_json:
        typer.echo(json.dumps([_key(each, now) for each in found], ensure_ascii=False, indent=2))
        return
    rows = [
        (each.id, each.tenant, each.label, str(each.state(now)), _when(each.made) or "", _when(each.expires) or "never")
        for each in found
    ]
    _table(("key", "tenant", "label", "state", "made", "ends"), rows, "There are no keys yet.")


def minted(made: Minted, now: Instant, as_json: bool) -> None:
    """A new key: alone on standard output, or as one field of the JSON."""
    if as_json:
        outcome({**_key(made.key, now), "key": made.text.text}, "", as_json)
        return
    typer.echo(made.text.text)
    typer.echo(f"{made.key.id} of {made.key.tenant}. This is shown once and kept nowhere; put it away now.", err=True)


def rejected(found: Rejected, as_json: bool) -> None:
    """Why a key opens nothing."""
    facts = {"state": found.reason.value, "says": found.sentence}
    if found.cell is not None:
        facts |= {"cell": found.cell.name, "jurisdiction": found.cell.jurisdiction}
    where = "" if found.cell is None else f" It names {found.cell}, in {found.cell.jurisdiction}."
    outcome(facts, found.sentence + where, as_json)


def notices(found: Sequence[Notice], as_json: bool) -> None:
    """Changes that wait for the control log."""
    facts = [
        {"number": each.number, "id": each.id, "t": each.kind.value, "ten": each.tenant, "at": _when(each.at)}
        | {name: value for name, value in (("old", each.old), ("new", each.new)) if value is not None}
        for each in found
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    rows = [
        (str(each.number), each.kind.value, each.tenant, _short(each.old), _short(each.new), _when(each.at) or "")
        for each in found
    ]
    _table(("no.", "what", "tenant", "old", "new", "when"), rows, "The control log knows of every change.")


def _places(found: Tenant) -> str:
    return " ".join(sorted(found.ceiling.allowed_jurisdictions))


def _tenant(found: Tenant) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "sla": found.sla,
        "opened": _when(found.opened),
        **({} if found.closed is None else {"closed": _when(found.closed)}),
        "digest": found.ceiling.digest,
        "constraints": decode(found.ceiling.canonical()),
    }


def _key(found: Key, now: Instant) -> dict[str, Any]:
    ends = {"expires": found.expires, "revoked": found.revoked}
    return {
        "id": found.id,
        "tenant": found.tenant,
        "label": found.label,
        "state": found.state(now).value,
        "made": _when(found.made),
        **{name: _when(value) for name, value in ends.items() if value is not None},
        **({} if found.successor is None else {"successor": found.successor}),
        "wish": {
            name: value for name, value in found.wish.model_dump(mode="json", exclude_defaults=True).items() if value
        },
    }


def _when(instant: Instant | None) -> str | None:
    return None if instant is None else written(instant)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_words(inner)}" for name, inner in value.items() if inner)
    if isinstance(value, list):
        return " ".join(",".join(each) if isinstance(each, list) else str(each) for each in value)
    return str(value)


def _short(text: str | None) -> str:
    return "" if text is None else text[:18]


def _pairs(facts: Mapping[str, object]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {value}")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in {"tenant", "key"})
    for row in rows:
        table.add_row(*map(Text, row))  # as text: a name is not markup
    print_table(Console(width=None if sys.stdout.isatty() else PIPE_WIDTH), table)
