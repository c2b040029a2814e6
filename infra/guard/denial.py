"""The cell's own denial of other regions, where its cloud can carry one below the organisation.

The organisation's guard (`infra/org`) is another program with other rights. This one is the cell's: the boundary of
every role on AWS, the project's location policy on Google Cloud, the resource group's assignment on Azure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from infra.guard.border import Border
from infra.guard.rights import statements
from infra.guard.seen import ABSENT, Seen, at, leaves

__all__ = ["in_place"]

#: Azure's built-in `Allowed locations`.
_ALLOWED_LOCATIONS: Final = "e56962a6-4747-49cd-b67b-bf8b01975c4c"
_FIX: Final[Mapping[str, str]] = {
    "aws": "Add an aws:iam/policy:Policy that denies all but {region} by aws:RequestedRegion, as boundary of all.",
    "gcp": "Add a gcp:orgpolicy/policy:Policy of gcp.resourceLocations whose one value is in:{region}-locations.",
    "azure": "Add an azure-native:authorization:PolicyAssignment of Allowed locations with {region} alone.",
}


def in_place(plan: Sequence[Seen], border: Border) -> Iterator[tuple[Seen | None, str]]:
    """Whether a denial is there, in force, and lets no other region through."""
    fix = _FIX.get(border.spec.provider)
    if fix is not None and not any(_denies(seen, border) for seen in plan):
        yield None, f"nothing in the cell denies other regions. {fix.format(region=border.spec.region)}"


def _denies(seen: Seen, border: Border) -> bool:
    if seen.type == "aws:iam/policy:Policy":
        found = [statement for _, value in leaves(seen.inputs) for statement in statements(value)]
        return any(_by_region(statement, border) for statement in found)
    if seen.type == "gcp:orgpolicy/policy:Policy" and str(seen.inputs.get("name")).endswith("/gcp.resourceLocations"):
        allowed = [value for value in at(seen.inputs, "spec.rules[*].values.allowedValues[*]") if value is not ABSENT]
        return allowed == [f"in:{border.spec.region}-locations"]
    if seen.type == "azure-native:authorization:PolicyAssignment":
        return _assigned(seen, border)
    return False


def _assigned(seen: Seen, border: Border) -> bool:
    if not str(seen.inputs.get("policyDefinitionId")).endswith(_ALLOWED_LOCATIONS):
        return False
    allowed = list(at(seen.inputs, "parameters.listOfAllowedLocations.value[*]"))
    return bool(allowed) and all(border.region_like(one) for one in allowed) and _in_force(seen)


def _in_force(seen: Seen) -> bool:
    return seen.inputs.get("enforcementMode", "Default") == "Default"


def _by_region(statement: Mapping[str, object], border: Border) -> bool:
    """Denies unless the region is this one; clouds take one region or a list."""
    condition = statement.get("Condition")
    tests = condition.get("StringNotEquals", {}) if isinstance(condition, Mapping) else {}
    regions = tests.get("aws:RequestedRegion", []) if isinstance(tests, Mapping) else []
    named = regions if isinstance(regions, list) else [regions]
    return statement.get("Effect") == "Deny" and border.spec.region in named and not set(named) & border.others
