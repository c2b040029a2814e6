"""A real cell for the clients: gate, store, engine and all, in processes of its own.

Its model is the smallest of the real classes, since this suite is about wires. Its tenants are settled as an operator
settles them, as near to `stand_in.HOUSES` as a cell can be:

    acme, other   nothing is settled
    broke         has a spending cap of one cent
    hasty         may ask for one film a minute
    held          nothing is settled; its films wait because `hands.full` keeps the cell busy meanwhile
    narrow        demands what no place has, so the rules let nothing of it run

There is nobody `strict` and nobody `unlucky`: a cell has no filter of contents that could refuse a prompt or a film.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from policies.constraints import Constraints, DataClass, Wish
from policies.tenants.shell import books, now
from serving.demo.cells import DemoCell, equerry, free_ports
from serving.home import Site
from tests.tiny import with_tiny_model

HOME, NEIGHBOUR = Site(cell="eu-par", country="FR", city="Paris"), Site(cell="jp-tyo", country="JP", city="Tokyo")
PATIENCE_S = 600.0  # for a start on a busy machine
HANDS = 2  # films that are made at once
SETTINGS = """
[jobs]
lease = 300
heartbeat = 20
drain = 20

[sla]
document = "patient.json"
"""  # a busy machine is no reason to refuse a film, or to take it from its studio
CEILING = Constraints(
    home="EU", allowed_jurisdictions=frozenset({"EU"}), allowed_classes=frozenset({DataClass.PERSONAL})
)
CEILINGS = {"narrow": CEILING.model_copy(update={"required_certifications": frozenset({"secnumcloud"})})}
LIMITS = {"broke": ("--spend", 1), "hasty": ("--per-minute", 1)}
NAMES = ("other", "broke", "hasty", "held", "narrow")


@contextmanager
def real_cell(folder: Path, runtime: str = "local") -> Iterator[dict[str, object]]:
    """Address and keys of a cell that runs until the block is left, and how many films keep its hands full."""
    cell = DemoCell(HOME, folder, free_ports(), runtime=runtime)
    cell.make(NEIGHBOUR)
    found = tenants(folder)
    with_tiny_model(folder, SETTINGS)
    file = folder / "cell.toml"
    file.write_text(file.read_text("utf-8").replace("[engine]\n", f"[engine]\nbatch = {HANDS}\n"), "utf-8")
    (folder / "patient.json").write_text(patient(), "utf-8")
    cell.start()
    try:
        cell.wait(PATIENCE_S)
        for name, limits in LIMITS.items():
            equerry("meter", "limit", "--cell", folder, "--tenant", found[name][0], *limits)
        keys = {name: key for name, (_, key) in found.items()}
        yield {"url": cell.url, "keys": {"acme": cell.key, **keys}, "hands": 4 * HANDS}
    finally:
        cell.stop()


def tenants(folder: Path) -> dict[str, tuple[str, str]]:
    """Adds them; by name, each one's id and its key."""
    own = books(folder)
    try:
        ids = {name: own.add_tenant(name, CEILINGS.get(name, CEILING), "standard", now()).id for name in NAMES}
        return {name: (tenant, own.add_key(tenant, name, Wish(), now()).text.text) for name, tenant in ids.items()}
    finally:
        own.store.close()


def patient() -> str:
    """The shipped classes of service, with days in which to keep their promises."""
    told = json.loads((files("policies") / "data" / "sla.json").read_bytes())
    for service in told["services"]:
        service["queue_wait_ms"] = 86_400_000
        for time in service["video"]:
            time["base_ms"] = 86_400_000
    return json.dumps(told)
