"""`equerry tenant key …`.

A key is printed once, alone on standard output, so that it can go straight into a vault. It is never an argument, since
arguments show in lists of processes and in histories; where a key is read, it comes from standard input.
"""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from policies.constraints import Wish
from policies.errors import Refused
from policies.tenants import tell
from policies.tenants.admission import Rejected, admit
from policies.tenants.key import key_label
from policies.tenants.keytext import KeyId, Unreadable, key_id
from policies.tenants.options import (
    AnyOf,
    DemandsFile,
    Evidence,
    Grades,
    JurisdictionNames,
    Lists,
    Owners,
    Purposes,
    Required,
    SealLevels,
    demanded,
)
from policies.tenants.registrar import known_key
from policies.tenants.shell import HERE, AsJson, AtCell, WhichTenant, books, now
from policies.tenants.tenant import Instant, tenant_id

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MOST_LINE: Final = 4_096  # letters that are read of a key on standard input
WhichKey = Annotated[str, typer.Argument(help="The key's id, such as k-0123456789abcdef.", metavar="KEY")]


@app.command("add")
def add_key(
    tenant: WhichTenant,
    label: Annotated[str, typer.Option(help="Tells a tenant's keys apart, such as render-farm.", metavar="L")] = "key",
    days: Annotated[
        int | None, typer.Option("--expires-in", help="Days until it ends; without, never.", min=1, max=3_660)
    ] = None,
    cell: AtCell = HERE,
    file: DemandsFile = None,
    jurisdiction: JurisdictionNames = None,
    data_class: Grades = None,
    purpose: Purposes = None,
    forbid_ownership: Owners = None,
    forbid_list: Lists = None,
    require: Required = None,
    require_any: AnyOf = None,
    min_seal: SealLevels = None,
    min_evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for a tenant and print it, this once. Constraints can only narrow the tenant's own.

    The key alone goes to standard output, so it can be piped into a vault; the cell keeps no copy of it.

    For example: equerry tenant key add t-0123456789abcdef --cell cells/eu --expires-in 90
    """
    asked = demanded(
        file,
        None,
        jurisdiction,
        data_class,
        purpose,
        forbid_ownership,
        forbid_list,
        require,
        require_any,
        min_seal,
        min_evidence,
    )
    at = now()
    expires = None if days is None else Instant(at + days * DAY_MS)
    made = books(cell).add_key(tenant_id(tenant), key_label(label), asked.read(Wish), at, expires)
    tell.minted(made, at, as_json)


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Argument(help="Only this tenant's.", metavar="[TENANT]")] = None,
    cell: AtCell = HERE,
    as_json: AsJson = False,
) -> None:
    """List keys and whether they open anything; never the keys themselves."""
    store = books(cell).store
    owners = [each.id for each in store.tenants()] if tenant is None else [tenant_id(tenant)]
    tell.keys([key for owner in owners for key in store.keys(owner)], now(), as_json)


@app.command()
def rotate(
    key: WhichKey,
    overlap: Annotated[
        int, typer.Option(help="Hours for which the old key still works; 0 ends it now.", min=0, max=8_760)
    ] = 24,
    cell: AtCell = HERE,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one that may do the same, and print it, this once."""
    at = now()
    tell.minted(books(cell).rotate(known_id(key), overlap * HOUR_MS, at), at, as_json)


@app.command()
def revoke(key: WhichKey, cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """End a key now. The next request with it is refused, in every process of the cell."""
    at = now()
    tell.key(books(cell).revoke(known_id(key), at), at, as_json)


@app.command()
def check(cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """Read a key from standard input and say whose it is and whether it opens anything; exit code 1 if not."""
    if sys.stdin.isatty():
        typer.echo("Type or paste the key, then press Enter.", err=True)
    at, held = now(), books(cell)
    found = admit(sys.stdin.readline(MOST_LINE).rstrip("\r\n"), store=held.store, pepper=held.pepper, now=at)
    if isinstance(found, Rejected):
        tell.rejected(found, as_json)
        raise typer.Exit(1)
    tell.key(known_key(held.store, found.key).key, at, as_json)


def known_id(text: str) -> KeyId:
    """The id that was typed. A whole key is refused without being repeated, since it is now in the shell's history."""
    try:
        return key_id(text)
    except Unreadable as error:
        if text.startswith("eqk_"):
            raise Refused(
                "Name a key by its id, k-…, never by the key itself: this one shows in your history."
            ) from None
        raise Refused(str(error)) from None
