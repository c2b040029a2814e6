"""`equerry tenant …`: who may ask for films in a cell, what binds them, and the keys that speak for them.

Everything here is one cell's, in the folder that --cell names; `key_cli.py` holds `equerry tenant key …`.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import typer

from policies.constraints import Constraints
from policies.errors import Refused
from policies.tenants import key_cli, tell
from policies.tenants.cell import Cell
from policies.tenants.folder import make_books
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
from policies.tenants.shell import HERE, AsJson, AtCell, WhichTenant, books, now
from policies.tenants.tenant import tenant_id

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(key_cli.app, name="key", help="Make, list, rotate, revoke and check the keys of tenants.")

Home = Annotated[
    str | None, typer.Option("--home", help="Jurisdiction whose law protects the tenant's people.", metavar="EU")
]
Service = Annotated[str, typer.Option("--sla", help="Class of service, by its name in the SLA data.", metavar="NAME")]
MOST_NOTICES: Final = 1_000


@app.callback(help="Keep customers, what binds them, and their keys.")
def front() -> None:
    """Holds the help of the group."""


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The cell's name: jurisdiction and place, such as eu-par.")],
    cell: AtCell = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a folder ready for one cell's tenants: an empty store, and a new pepper for its keys.

    Back the pepper up apart from the store. Without it no key can be checked; who has both could make keys.
    """
    made = Cell(name)
    make_books(cell, made, secrets.token_bytes)
    told = {"cell": made.name, "jurisdiction": made.jurisdiction, "folder": str(cell)}
    tell.outcome(told, f"Cell {made} in {made.jurisdiction} is ready in {cell}.", as_json)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The customer's name, for people; it stays out of every log.")],
    cell: AtCell = HERE,
    file: DemandsFile = None,
    home: Home = None,
    jurisdiction: JurisdictionNames = None,
    data_class: Grades = None,
    purpose: Purposes = None,
    forbid_ownership: Owners = None,
    forbid_list: Lists = None,
    require: Required = None,
    require_any: AnyOf = None,
    min_seal: SealLevels = None,
    min_evidence: Evidence = None,
    sla: Service = "standard",
    as_json: AsJson = False,
) -> None:
    """Add a tenant with a ceiling: the most that any of its keys and requests may ask for.

    For example: equerry tenant add Acme --home EU --jurisdiction EU --class personal --forbid-list us-1260h
    """
    asked = demanded(
        file,
        home,
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
    tenant = books(cell).add_tenant(name, asked.read(Constraints), service(sla), now())
    tell.tenant(tenant, as_json)


@app.command("list")
def list_tenants(cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """List the tenants of a cell, closed ones too."""
    tell.tenants(books(cell).store.tenants(), as_json)


@app.command()
def show(tenant: WhichTenant, cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """Show one tenant with everything that binds it."""
    found = books(cell).store.tenant(tenant_id(tenant))
    if found is None:
        raise Refused(f"There is no tenant {tenant} in this cell; `equerry tenant list` shows those there are.")
    tell.tenant(found, as_json)


@app.command()
def constrain(
    tenant: WhichTenant,
    cell: AtCell = HERE,
    file: DemandsFile = None,
    home: Home = None,
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
    """Give a tenant another ceiling, as a whole: what is not named here is no longer demanded.

    Keys that asked for more are cut to it at once, in every process.
    """
    asked = demanded(
        file,
        home,
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
    tell.tenant(books(cell).constrain(tenant_id(tenant), asked.read(Constraints), now()), as_json)


@app.command("sla")
def change_service(
    tenant: WhichTenant,
    name: Annotated[str, typer.Argument(help="Class of service, by its name in the SLA data.", metavar="NAME")],
    cell: AtCell = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a tenant another class of service."""
    tell.tenant(books(cell).serve(tenant_id(tenant), service(name)), as_json)


@app.command()
def close(tenant: WhichTenant, cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """End a tenant for good: none of its keys opens anything from now on."""
    tell.tenant(books(cell).close(tenant_id(tenant), now()), as_json)


@app.command()
def notices(cell: AtCell = HERE, as_json: AsJson = False) -> None:
    """Show the changes that the control log has not acknowledged yet, oldest first."""
    tell.notices(books(cell).store.notices(MOST_NOTICES), as_json)


def service(name: str) -> str:
    """A class of service that the SLA data has."""
    from policies.sla import load_sla

    return load_sla().by_name(name).name
