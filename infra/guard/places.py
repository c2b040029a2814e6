"""Where things are put: the region and zones that arguments name, wherever in the arguments they stand.

The rules go by the names of arguments and not by type, so that a resource that nobody thought of is checked as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import ABSENT, UNKNOWN, Seen, leaves

__all__ = ["backups_stay", "in_region", "jurisdiction", "provider_in_region", "zones"]

#: Names of arguments that say where, by the last step of their path.
_REGION: Final = frozenset(
    {"region", "regionname", "regionno", "regions", "location", "locations", "trailregion", "datalocation"}
)
_ZONE: Final = frozenset({"zone", "zoneid", "zoneids", "zones", "availabilityzone", "availabilityzones"})
_ZONES_TOO: Final = frozenset(
    {"nodelocations", "zoneidslavea", "zoneidslaveb", "secondaryzone", "standbyavailabilityzone"}
)
_BACKUP: Final = frozenset({"backupregions", "backupregion", "crossbackupregion", "geobackuplocation"})

#: What these say of a place is no region: `location` of a file, `global` of a name service.
_GLOBAL: Final = frozenset(
    {
        "azure-native:network:PrivateZone",
        "azure-native:network:VirtualNetworkLink",
        "azure-native:privatedns:PrivateZone",
        "azure-native:privatedns:VirtualNetworkLink",
        "gcp:compute/networkFirewallPolicy:NetworkFirewallPolicy",
    }
)
_NOT_A_REGION: Final = frozenset({"", "global"})


def in_region(seen: Seen, border: Border) -> Iterator[str]:
    """Every region that a resource names is the stack's; an override on one resource is how data slips away."""
    if seen.type.startswith("pulumi:providers:"):
        return
    for path, value in leaves(seen.inputs):
        if _last(path) not in _REGION or _under_backup(path):
            continue
        if value in _NOT_A_REGION and seen.type in _GLOBAL:
            continue
        if not border.place_like(value):
            yield (
                f"{path} is {_shown(value)}, and the stack's region is {border.spec.region}. Leave it out, or write "
                f"{border.spec.region}."
            )


def zones(seen: Seen, border: Border) -> Iterator[str]:
    """Every zone is one that the stack file names."""
    known = {zone.lower() for zone in border.spec.zones}
    for path, value in leaves(seen.inputs):
        if _last(path) not in _ZONE | _ZONES_TOO or value in ("", "-1"):
            continue
        if not isinstance(value, str) or value.lower() not in known:
            yield f"{path} is {_shown(value)}; the cell's zones are {', '.join(border.spec.zones)}. Take one of them."


def provider_in_region(seen: Seen, border: Border) -> Iterator[str]:
    """The provider itself, and the one behind each resource, is pinned to the stack's region."""
    inputs = seen.inputs if seen.type.startswith("pulumi:providers:") else seen.provider
    for path, value in leaves(inputs or {}):
        if path in {"region", "location"} and not border.region_like(value):
            yield f"its provider's {path} is {_shown(value)}. Pin the provider to {border.spec.region}."
        if path == "zone" and value not in border.spec.zones:
            yield f"its provider's zone is {_shown(value)}. Take one of {', '.join(border.spec.zones)}."


def backups_stay(seen: Seen, border: Border) -> Iterator[str]:
    """Backups are kept in the stack's region alone."""
    for path, value in leaves(seen.inputs):
        backup = _last(path) in _BACKUP or (_last(path) in _REGION and _under_backup(path))
        if backup and not border.region_like(value):
            yield f"{path} is {_shown(value)}. Backups stay in {border.spec.region}; write that, and nothing beside it."


def jurisdiction(seen: Seen, border: Border) -> Iterator[str]:
    """The stack's region lies in the jurisdiction that its file claims; asked once, of the cell itself."""
    if seen.type != "equerry:infra:RegionCell" or border.spec.provider == "local":
        return
    if border.jurisdiction != border.spec.jurisdiction:
        found = border.jurisdiction or "unknown"
        yield (
            f"The catalogue says that {border.spec.region_id} lies in {found}, and the stack file says "
            f"{border.spec.jurisdiction}. Take a region of {border.spec.jurisdiction}."
        )


def _last(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0].lower()


def _under_backup(path: str) -> bool:
    """Whether an argument speaks of backups: settings.backupConfiguration.location."""
    return "backup" in path.rpartition(".")[0].lower()


def _shown(value: object) -> str:
    return "not known before the cloud answers" if value in (UNKNOWN, ABSENT) else f'"{value}"'
