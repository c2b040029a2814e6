"""`equerry policy …`: the clock, the files and the screen of the policy core; all decisions are made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from policies.errors import Refused

if TYPE_CHECKING:
    from policies.decision import Asked
    from policies.policy import Policy
    from policies.shelf import Shelf

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

SHIPPED: Final = "shipped"  # names the policy that comes with this package, where a path is asked for

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
On = Annotated[
    str | None, typer.Option(help="The day that counts, such as 2026-11-21; today if not said.", metavar="D")
]
CatalogueFile = Annotated[
    Path | None, typer.Option("--catalogue", help="A signed catalogue; the shipped one if not said.", metavar="F")
]
ListsFile = Annotated[
    Path | None, typer.Option("--lists", help="Signed lists; the shipped ones if not said.", metavar="F")
]
Overlays = Annotated[
    list[Path] | None, typer.Option("--overlay", help="Your own signed confirmations; may be repeated.", metavar="F")
]
TrustFile = Annotated[
    Path | None, typer.Option("--trust", help="Whose signatures count, beside those of shipped files.", metavar="F")
]
PolicyAt = Annotated[
    str, typer.Option("--policy", help="A folder with rules.cedar and schema.cedarschema, or a bundle.", metavar="P")
]
PolicyArgument = Annotated[
    str, typer.Argument(help="A folder with rules.cedar and schema.cedarschema, a bundle, or `shipped`.", metavar="P")
]


@app.callback(help="Say where a request may run and why, and prove that the rules cannot leak.")
def front() -> None:
    """Holds the help of the group."""


@app.command()
def regions(
    jurisdiction: Annotated[str | None, typer.Option(help="Only regions of this one, such as EU.", metavar="J")] = None,
    catalogue: CatalogueFile = None,
    overlay: Overlays = None,
    trust: TrustFile = None,
    on: On = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known about each region, and what is in doubt.

    Only confirmed facts in date count for permission. Confirm what you have checked yourself in an overlay:
    write it as JSON, sign it with `equerry policy sign`, and pass it with --overlay and --trust.
    """
    from policies.show import regions_json, regions_table

    day = _day(on)
    atlas = _shelf(catalogue=catalogue, overlay=overlay, trust=trust).read_atlas(day)
    shown = [r for r in atlas.catalogue.regions if jurisdiction in (None, r.jurisdiction)]
    if not shown:
        known = ", ".join(territory.id for territory in atlas.catalogue.jurisdictions)
        raise Refused(f"There is no region of {jurisdiction} in the catalogue. It knows {known}.")
    if as_json:
        _print_json(regions_json(atlas, shown, day))
    else:
        regions_table(atlas, shown, day)


@app.command()
def lint(policy: PolicyArgument = SHIPPED, as_json: AsJson = False) -> None:
    """Check that a policy may decide: valid, every rule there, permit and forbids the same. Exit code 1 if not."""
    from policies.cedar import faults

    document = _policy(policy)
    found = faults(document)
    if as_json:
        _print_json({"policy": document.digest, "faults": found})
    else:
        typer.echo("\n".join(found) or f"The policy {document.digest[:16]} may decide: no faults.")
    if found:
        raise typer.Exit(1)


@app.command()
def prove(policy: PolicyArgument = SHIPPED, as_json: AsJson = False) -> None:
    """Prove for all tenants and regions that the rules cannot leak. Needs the dev extra. Exit code 1 if they can."""
    from policies.proofs import prove as settle
    from policies.show import proofs_table

    document = _policy(policy)
    proofs = settle(document)
    if as_json:
        _print_json({"policy": document.digest, "proofs": [asdict(proof) for proof in proofs]})
    else:
        proofs_table(document.digest, proofs)
    if not all(proof.holds for proof in proofs):
        raise typer.Exit(1)


@app.command()
def diff(old: PolicyArgument, new: PolicyArgument, as_json: AsJson = False) -> None:
    """Show a request that NEW permits and OLD does not. Exit code 1 if there is one, so that a review can stop it."""
    from policies.proofs import widening

    before, after = _policy(old), _policy(new)
    found = widening(before, after)
    if as_json:
        _print_json({"old": before.digest, "new": after.digest, "wider": bool(found), "counterexample": list(found)})
    elif found:
        typer.echo("The new rules permit what the old ones do not, for example (all else is nothing, 0 or false):")
        typer.echo("\n".join(f"  {line}" for line in found))
    else:
        typer.echo("The new rules permit nothing that the old ones do not.")
    if found:
        raise typer.Exit(1)


@app.command()
def explain(
    tenant_file: Annotated[Path, typer.Option(help="What the tenant demands, as JSON.", metavar="F")],
    data_class: Annotated[str, typer.Option("--class", help="How the content must be treated.", metavar="C")],
    region: Annotated[list[str] | None, typer.Option(help="Only this region; may be repeated.", metavar="R")] = None,
    purpose: Annotated[str, typer.Option(help="What is done with the content.", metavar="P")] = "generation",
    subject: Annotated[
        str | None, typer.Option(help="Where the people concerned live; the tenant's home if not said.", metavar="J")
    ] = None,
    policy: PolicyAt = SHIPPED,
    catalogue: CatalogueFile = None,
    lists: ListsFile = None,
    overlay: Overlays = None,
    trust: TrustFile = None,
    on: On = None,
    as_json: AsJson = False,
) -> None:
    """Say for each region whether a request may run there, why not, and what to do about it.

    A tenant file holds at least: {"home": "EU", "allowed_jurisdictions": ["EU"], "allowed_classes": ["personal"]}

    For example: equerry policy explain --tenant-file tenant.json --class personal --region aws/eu-north-1
    """
    from policies.constraints import Constraints
    from policies.explain import explain as told_by
    from policies.shelf import read
    from policies.show import explained_table

    tenant = Constraints.parse(read(tenant_file))
    asked = _asked(data_class, purpose, subject or tenant.home, _day(on))
    shelf = _shelf(catalogue=catalogue, lists=lists, overlay=overlay, trust=trust)
    atlas = shelf.read_atlas(asked.day)
    _known_regions(region or [], [known.id for known in atlas.catalogue.regions])
    told = told_by(_policy(policy), atlas, shelf.read_lists(asked.day), tenant, asked, region or [])
    if as_json:
        _print_json([asdict(one) for one in told])
    else:
        explained_table(told)


@app.command()
def replay(
    record: Annotated[Path, typer.Argument(help="One recorded decision, as JSON.", metavar="RECORD")],
    objects: Annotated[
        Path, typer.Option(help="The folder that holds documents by digest: sha256/ab/cdef…", metavar="DIR")
    ],
    lists: Annotated[
        Path | None, typer.Option(help="Ask under these lists instead, such as the newest.", metavar="F")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide one past request again, from the documents that its record names by digest. Exit code 1 if denied.

    RECORD holds pol, cat, lst, con (digests), data_class, purpose, subject_region, region and day (since 1970-01-01).
    `equerry audit verify --replay` does the same for a whole log.
    """
    from policies.archive import read_archive, read_record
    from policies.replay import replay as again
    from policies.shelf import read

    grounds, question = read_record(read(record))
    answer = again(read_archive(objects, grounds, lists), [question])[0]
    if as_json:
        _print_json(asdict(answer))
    else:
        typer.echo(f"{'allowed' if answer.allowed else 'denied'} by {', '.join(answer.rules)}")
    if not answer.allowed:
        raise typer.Exit(1)


@app.command()
def sign(
    document: Annotated[Path, typer.Argument(help="A catalogue, overlay, lists or policy bundle.", metavar="F")],
    key: Annotated[Path, typer.Option(help="Your private key, in a file that only you can read.", metavar="F")],
    as_json: AsJson = False,
) -> None:
    """Check a document and sign it. The signature goes beside it, as F.sig; its text stays as it is."""
    from policies.documents import check
    from policies.keys import load
    from policies.shelf import read, write
    from policies.signatures import sign as signed

    private = load(key)
    kind, canonical = check(read(document))
    signature = signed(kind, canonical, private)
    beside = document.with_name(f"{document.name}.sig")
    write(beside, json.dumps(signature.model_dump(mode="json"), indent=1).encode() + b"\n")
    told = {"kind": kind.value, "key": signature.key, "signature": str(beside)}
    if as_json:
        _print_json(told)
    else:
        typer.echo(f"Signed the {kind} with the key {signature.key}: {beside}")


@app.command()
def keygen(
    name: Annotated[str, typer.Argument(help="What the trust file calls the key, such as acme-2026.", metavar="NAME")],
    key: Annotated[Path, typer.Option(help="Where the private key goes; mode 0600.", metavar="F")],
    trust: Annotated[Path, typer.Option(help="Where a trust file with the public half goes.", metavar="F")],
    signs: Annotated[
        list[str] | None, typer.Option(help="What it may sign; may be repeated. Overlays if not said.", metavar="KIND")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The last day on which it counts; in a year if not said.", metavar="D")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a signing key, and a trust file that says what it may sign and until when."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from policies.keys import save, trust_line
    from policies.shelf import write
    from policies.signatures import key_id

    last = _date(until) if until else _today() + timedelta(days=365)
    kinds = _kinds(signs or ["overlay"])
    if trust.exists():
        raise Refused(f"{trust} exists. Name another file, and copy the key from it into the one you have.")
    private = Ed25519PrivateKey.generate()
    public = trust_line(private, name, kinds, last)
    save(key, private)
    write(trust, public)
    told = {"key": key_id(private.public_key()), "private": str(key), "trust": str(trust), "until": last.isoformat()}
    if as_json:
        _print_json(told)
    else:
        typer.echo(
            f"The private key is in {key}: keep it to yourself. {trust} holds the public half, good until {last}."
        )


def _shelf(
    catalogue: Path | None = None,
    lists: Path | None = None,
    overlay: Sequence[Path] | None = None,
    trust: Path | None = None,
) -> Shelf:
    from policies.shelf import Shelf

    return Shelf(catalogue, lists, trust, overlay or ())


def _policy(where: str) -> Policy:
    from policies.policy import Policy
    from policies.shelf import read_policy

    return Policy.shipped() if where == SHIPPED else read_policy(Path(where))


def _asked(data_class: str, purpose: str, subject: str, day: int) -> Asked:
    from policies.constraints import DataClass, Purpose
    from policies.decision import Asked

    return Asked(_one(data_class, DataClass, "class"), _one(purpose, Purpose, "purpose"), subject, day)


def _one(text: str, kind: Any, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise Refused(f"There is no {what} {text!r}; there are {', '.join(kind)}.") from None


def _kinds(names: Sequence[str]) -> frozenset[Any]:
    from policies.signatures import Kind

    return frozenset(_one(name, Kind, "kind of document") for name in names)


def _known_regions(asked: Sequence[str], known: Sequence[str]) -> None:
    for region in asked:
        if region not in known:
            raise Refused(f"There is no region {region} in the catalogue; see `equerry policy regions`.")


def _day(text: str | None) -> int:
    from policies.signatures import days

    return days(_date(text) if text else _today())


def _today() -> date:
    return datetime.now(UTC).date()


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is not a day; write it as 2026-11-21.") from None


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
