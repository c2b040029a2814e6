"""What a stack may touch: read from its `equerry:cell` and from the catalogue, never from the program's resources.

The program that the guard checks may be wrong about where it is. So the guard takes the region from the stack file,
as a reviewer reads it, and asks the catalogue which jurisdiction that is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

import policies
from infra.guard.abroad import ABROAD
from infra.spec import RegionSpec

__all__ = ["Border"]

_CATALOGUE: Final = Path(policies.__file__).with_name("data") / "catalogue.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """One cell's place, and the names of all the other places."""

    spec: RegionSpec
    jurisdiction: str | None  # of the region by the catalogue; None when it does not know the region
    others: frozenset[str] = field(default_factory=frozenset)  # names of all other regions of all clouds, small letters

    @classmethod
    def parse(cls, config: Mapping[str, str]) -> Border:
        """From a stack's configuration, as the engine hands it to a pack. Raises Refused."""
        spec = RegionSpec.parse(json.loads(config.get("equerry:cell", "{}")))
        regions = json.loads(_CATALOGUE.read_text())["regions"]
        return cls(spec=spec, jurisdiction=_jurisdiction(spec, regions), others=_others(spec, regions))

    @property
    def network(self) -> IPv4Network:
        """The cell's own addresses."""
        return self.spec.network

    def region_like(self, value: object) -> bool:
        """Whether a value names this region; clouds are not of one mind about capitals and blanks."""
        return isinstance(value, str) and _plain(value) == _plain(self.spec.region)

    def place_like(self, value: object) -> bool:
        """Whether a value names this region or a zone of the cell, as OVHcloud's machines do with `GRA11`."""
        return self.region_like(value) or (isinstance(value, str) and value in self.spec.zones)


def _plain(value: str) -> str:
    """Azure writes both `West Europe` and `westeurope`."""
    return value.replace(" ", "").lower()


def _jurisdiction(spec: RegionSpec, regions: list[dict[str, Any]]) -> str | None:
    return next((region["jurisdiction"] for region in regions if region["id"] == spec.region_id), None)


def _others(spec: RegionSpec, regions: list[dict[str, Any]]) -> frozenset[str]:
    """Names that say where by themselves; OVHcloud's GRA is too short for that."""
    names = {_name(region["id"]) for region in regions} | ABROAD
    own = {spec.region.lower(), *(zone.lower() for zone in spec.zones)}
    return frozenset(name for name in names if len(name) >= 6) - own


def _name(region_id: str) -> str:
    return region_id.partition("/")[2].replace("/", "-").lower()
