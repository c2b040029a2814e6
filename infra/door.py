"""What the program reads: the stack's configuration, the signed catalogue, and the clock. The only place that does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pulumi

from infra.errors import Refused
from infra.ground import Ground, stand
from infra.spec import RegionSpec
from policies.shelf import Shelf
from policies.signatures import days

__all__ = ["read_ground", "read_spec"]


def read_spec(config: pulumi.Config) -> RegionSpec:
    """The cell that the stack file describes. Raises Refused."""
    value = config.get_object("cell")
    if not isinstance(value, dict):
        raise Refused(f"Pulumi.{pulumi.get_stack()}.yaml has no `equerry:cell`. Take another stack file as an example.")
    return RegionSpec.parse(value)


def read_ground(config: pulumi.Config, spec: RegionSpec) -> Ground:
    """What the catalogue knows of the cell's region today. Raises Impossible or Unconfirmed.

    `equerry:overlays` lists files with an operator's own signed confirmations, `equerry:trust` the keys that count.
    """
    overlays = config.get_object("overlays") or []
    trust = config.get("trust")
    shelf = Shelf(overlays=[Path(path) for path in overlays], trust=Path(trust) if trust else None)
    day = days(_day(config))
    return stand(spec, shelf.read_atlas(day), day)


def _day(config: pulumi.Config) -> date:
    """Today; a plan may be as of another day, so that it says the same tomorrow. An update never is."""
    asked = config.get("day")
    if asked and not pulumi.runtime.is_dry_run():
        raise Refused("`equerry:day` is for previews. Remove it: an update goes by today's facts.")
    return date.fromisoformat(asked) if asked else datetime.now(UTC).date()
