"""A new cell's folder: settings, keys, tenants' books, and a catalogue of the operator's own machines.

The catalogue that it writes says only what the operator says here, confirmed by the operator, and is signed with a key
that is drawn for it. It suits a laptop and a company's own machine room. A cell in a cloud names the provider's region
instead, by another catalogue in its settings.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.canonical import encode
from policies.catalogue import Catalogue
from policies.keys import save, trust_line
from policies.shelf import read
from policies.signatures import Kind, sign
from policies.tenants.cell import Cell
from policies.tenants.folder import make_books
from serving.errors import Refused

__all__ = ["SETTINGS", "Site", "find_model", "look_first", "make_home", "own_key", "today"]

SETTINGS: Final = "cell.toml"
KEY: Final = "signing.pem"
LIFE: Final = timedelta(days=365)  # of the catalogue and its key; a person looks again by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place of the operator's own."""

    cell: str  # such as eu-par
    country: str  # such as FR
    city: str

    @property
    def jurisdiction(self) -> str:
        """By the cell's name."""
        return Cell(self.cell).jurisdiction

    @property
    def region(self) -> str:
        """The region's name at the provider `own`."""
        return f"{self.cell}-1"


def make_home(
    folder: Path,
    site: Site,
    neighbours: Sequence[Site],
    *,
    port: int,
    model: str,
    signing: Ed25519PrivateKey,
    day: date,
) -> Path:
    """Makes everything that `equerry cell up` needs; returns the settings file. Raises what `look_first` raises."""
    document = look_first(folder, [site, *neighbours], day)
    make_books(folder, Cell(site.cell), secrets.token_bytes)
    (folder / "catalogue.json").write_bytes(document)
    (folder / "catalogue.json.sig").write_bytes(sign(Kind.CATALOGUE, document, signing).model_dump_json().encode())
    (folder / "trust.json").write_bytes(
        trust_line(signing, f"{site.cell}-operator", frozenset({Kind.CATALOGUE, Kind.OVERLAY, Kind.LISTS}), day + LIFE)
    )
    path = folder / SETTINGS
    path.write_text(_settings(site, port, model), "utf-8")
    return path


def look_first(folder: Path, sites: Sequence[Site], day: date) -> bytes:
    """The catalogue of a cell that can be made here; nothing is written, so a slip leaves nothing to tidy up.

    Raises Refused for a folder that is a cell or no folder, and for a site that its jurisdiction does not have.
    """
    if (folder / SETTINGS).exists():
        raise Refused(f"{folder} is a cell already. Name another folder, or start it with `equerry cell up {folder}`.")
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file, and a cell is a folder. Name another place.")
    for site in sites:
        _check(site)
    return catalogue(sites, day)


def find_model(name: str) -> str:
    """How the settings name a model: a shipped one by its name, a folder whole. Raises Refused for neither."""
    shipped = files("model") / "weights"
    if "/" not in name and name and (shipped / name).is_dir():
        return name
    if name and Path(name).is_dir():
        return str(Path(name).absolute())
    have = ", ".join(sorted(each.name for each in shipped.iterdir() if each.is_dir()))
    raise Refused(f"There is no model {name[:80]!r}. Shipped: {have or 'none'}; or name a folder that holds one.")


def own_key(folder: Path) -> Ed25519PrivateKey:
    """A new key for a folder's own documents, kept beside them for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made ({error.strerror}). Name another folder, or ask for rights.") from None
    if (folder / KEY).exists():
        raise Refused(f"{folder} holds a key already, and a key is never written over. Name an empty folder.")
    key = Ed25519PrivateKey.generate()
    save(folder / KEY, key)
    return key


def today() -> date:
    """UTC."""
    return datetime.now(UTC).date()


def _check(site: Site) -> None:
    """Holds a place to the law that its cell is named after."""
    countries = {each["id"]: each["countries"] for each in _shipped()["jurisdictions"]}
    if site.jurisdiction not in countries:
        raise Refused(
            f"There is no jurisdiction {site.jurisdiction} for {site.cell}. There are {', '.join(countries)}."
        )
    if site.country not in countries[site.jurisdiction]:
        raise Refused(
            f"{site.country[:80]!r} is no country of {site.jurisdiction}, after which {site.cell} is named. "
            f"Write two capital letters, such as {countries[site.jurisdiction][0]}, or name the cell otherwise."
        )


def _shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(files("policies") / "data" / "catalogue.json"))
    return found


def catalogue(sites: Sequence[Site], day: date) -> bytes:
    """A catalogue of the operator's own sites, canonical. Jurisdictions and schemes are those of the shipped one."""
    shipped = _shipped()
    stated = {"confidence": "confirmed", "sources": ["operator"], "checked": day.isoformat()}
    whole = {
        "v": "equerry.catalogue/1",
        "dated": day.isoformat(),
        "expires": (day + LIFE).isoformat(),
        "note": "Machines of the operator's own, as the operator says.",
        "sources": {"operator": "The operator of these machines, when the cell was made."},
        "jurisdictions": shipped["jurisdictions"],
        "schemes": shipped["schemes"],
        "providers": [_provider(owner, stated) for owner in sorted({site.jurisdiction for site in sites})],
        "regions": [_region(site, stated) for site in sites],
    }
    data = encode(whole)
    Catalogue.parse(data)
    return data


def _provider(owner: str, stated: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"own-{owner.lower()}",
        "name": "The operator's own machines",
        "headquarters": "FR" if owner == "EU" else owner,
        "parent": {**stated, "entity": "operator", "name": "The operator"},
        "ownership": {**stated, "value": owner},
        "subprocessors": {**stated, "entities": []},
    }


def _region(site: Site, stated: dict[str, Any]) -> dict[str, Any]:
    provider = f"own-{site.jurisdiction.lower()}"
    return {
        "id": f"{provider}/{site.region}",
        "provider": provider,
        "name": site.region,
        "city": site.city,
        "country": site.country,
        "jurisdiction": site.jurisdiction,
        "role": "primary",
        "status": "open",
        "location": stated,
        "evidence": {**stated, "grade": "declared"},
    }


def _settings(site: Site, port: int, model: str) -> str:
    return f"""# Settings of the cell {site.cell}. `equerry cell settings` lists everything that can stand here.

[cell]
name = "{site.cell}"
jurisdiction = "{site.jurisdiction}"
provider = "own-{site.jurisdiction.lower()}"
region = "{site.region}"
origin = "http://127.0.0.1:{port}"

[listen]
port = {port}
operations_port = {port + 1}

[engine]
model = {json.dumps(model)}

[policies]
catalogue = "catalogue.json"
trust = "trust.json"
"""
