"""A real cell for the clients: gate, store, engine and all, in a process of its own, with two tenants.

Its model is the smallest of the real classes, since this suite is about wires.

It has no tenant that is `held`, `unlucky` and so on: those are settlings of the stand-in, which a cell does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.demo.cells import DemoCell, equerry, free_ports
from serving.home import Site
from tests.tiny import with_tiny_model

HOME, NEIGHBOUR = Site(cell="eu-par", country="FR", city="Paris"), Site(cell="jp-tyo", country="JP", city="Tokyo")
PATIENCE_S = 300.0  # for a start on a busy machine
SETTINGS = """
[jobs]
lease = 300
heartbeat = 20

[sla]
on = false
"""  # a busy machine is no reason to refuse a film, or to take it from its studio
BOUNDS = ("--home", "EU", "--jurisdiction", "EU", "--class", "personal")


@contextmanager
def real_cell(folder: Path) -> Iterator[dict[str, object]]:
    """Address and keys of a cell that runs until the block is left."""
    cell = DemoCell(HOME, folder, free_ports())
    cell.make(NEIGHBOUR)
    other = json.loads(equerry("tenant", "add", "Other", "--cell", folder, *BOUNDS, "--json"))["id"]
    key = json.loads(equerry("tenant", "key", "add", other, "--cell", folder, "--json"))["key"]
    with_tiny_model(folder, SETTINGS)
    cell.start()
    try:
        cell.wait(PATIENCE_S)
        yield {"url": cell.url, "keys": {"acme": cell.key, "other": key}}
    finally:
        cell.stop()
