"""Rights that are too wide: everything, everywhere, or everybody, in each cloud's own words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.guard.border import Border
from infra.guard.seen import ABSENT, Seen, at, leaves

__all__ = ["boundaries_are_not_given", "narrow", "statements"]

#: Values that are too wide wherever they stand at these paths.
_WIDE: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("gcp:", "role", ("roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/storage.admin")),
    ("gcp:", "member", ("allUsers", "allAuthenticatedUsers")),
    ("gcp:", "members[*]", ("allUsers", "allAuthenticatedUsers")),
    ("alicloud:ram/", "policyName", ("AdministratorAccess", "AliyunOSSFullAccess", "AliyunKMSFullAccess")),
    ("scaleway:iam/", "rules[*].permissionSetNames[*]", ("AllProductsFullAccess", "OrganizationManager", "IAMManager")),
    ("ovh:CloudProject/user", "roleNames[*]", ("administrator", "objectstore_admin")),
    ("ovh:CloudProject/user", "roleName", ("administrator",)),
    ("ovh:Iam/policy", "allows[*]", ("*",)),
    ("kubernetes:rbac.authorization.k8s.io/", "roleRef.name", ("cluster-admin", "admin")),
)
_AWS_ROLES: Final = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess", "AmazonS3FullAccess")
_AZURE_ROLES: Final[Mapping[str, str]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}
#: Documents that stand in the way of rights given elsewhere.
_FILTERS: Final = frozenset({"aws:ec2/vpcEndpoint:VpcEndpoint"})
_BOUNDARY: Final = "aws:iam/policy:Policy"
_NARROWER: Final = "Name the actions and the resources that are needed."


def narrow(seen: Seen, border: Border) -> Iterator[str]:
    """Nothing is given to everybody, and nobody is given everything."""
    yield from _named(seen)
    yield from _azure(seen)
    if seen.type == "scaleway:iam/policy:Policy":
        yield from _beyond_project(seen, border)
    for path, value in leaves(seen.inputs):
        found = list(statements(value))
        if seen.type == _BOUNDARY and _denies_regions(found):
            continue  # a boundary gives nothing; `boundaries_are_not_given` sees that nobody attaches it
        check = _passes_all if seen.type in _FILTERS else _too_wide
        for statement in found:
            yield from (f"{path}: {message}" for message in check(statement, "kms/" in seen.type))


def boundaries_are_not_given(plan: Sequence[Seen], border: Border) -> Iterator[tuple[Seen | None, str]]:  # noqa: ARG001
    """A boundary allows everything but other regions, so it must bound roles and never be attached to one."""
    boundaries = {seen.urn for seen in plan if seen.type == _BOUNDARY and _denies_regions(_all_statements(seen))}
    for seen in plan:
        if "olicyAttachment" in seen.type and boundaries & seen.leans_on.get("policyArn", frozenset()):
            yield seen, f"policyArn is a boundary's, which allows everything in the region. {_NARROWER}"


def _all_statements(seen: Seen) -> list[Mapping[str, Any]]:
    return [statement for _, value in leaves(seen.inputs) for statement in statements(value)]


def _denies_regions(found: Sequence[Mapping[str, Any]]) -> bool:
    return any(one.get("Effect") == "Deny" and "aws:RequestedRegion" in json.dumps(one) for one in found)


def _named(seen: Seen) -> Iterator[str]:
    for prefix, path, wide in _WIDE:
        for value in at(seen.inputs, path) if seen.type.startswith(prefix) else ():
            if value in wide:
                yield f"{path} is {value}, which is far too much. {_NARROWER}"
    arn = next(at(seen.inputs, "policyArn"))
    if isinstance(arn, str) and arn.rpartition("/")[2] in _AWS_ROLES:
        yield f"policyArn is {arn}, which is far too much. {_NARROWER}"


def _azure(seen: Seen) -> Iterator[str]:
    role = next(at(seen.inputs, "roleDefinitionId"))
    name = _AZURE_ROLES.get(str(role).rpartition("/")[2]) if role is not ABSENT else None
    if name:
        yield f"roleDefinitionId is {name}'s, which is far too much. {_NARROWER}"


def _beyond_project(seen: Seen, border: Border) -> Iterator[str]:
    for value in at(seen.inputs, "rules[*].projectIds[*]"):
        if value != border.spec.account:
            yield f"a rule reaches beyond the cell's project. Write projectIds: [{border.spec.account}]."


def statements(value: object) -> Iterator[Mapping[str, Any]]:
    """The statements of a policy document that stands in a text."""
    if not isinstance(value, str) or "Statement" not in value:
        return
    try:
        document = json.loads(value)
    except ValueError:
        return
    found = document.get("Statement", []) if isinstance(document, dict) else []
    yield from (found if isinstance(found, list) else [found])


def _passes_all(statement: Mapping[str, Any], own: bool) -> Iterator[str]:  # noqa: ARG001 - as its sibling
    """A filter gives no rights; it has to hold them to the cell, by resources or by a condition."""
    everything = "*" in _many(statement.get("Resource", "*"))
    if statement.get("Effect") == "Allow" and everything and not statement.get("Condition"):
        yield "it lets everything pass. Name the cell's resources, or say the condition that holds them to its account."


def _too_wide(statement: Mapping[str, Any], own: bool) -> Iterator[str]:
    """`own` is a document that hangs on one key, where `*` among the resources means that key."""
    if statement.get("Effect") != "Allow":
        return
    if "NotAction" in statement or "NotPrincipal" in statement:
        yield f"it allows all but what it names. {_NARROWER}"
    actions = _many(statement.get("Action"))
    everything = "*" in _many(statement.get("Resource")) and not own
    if any(action in {"*", "*:*"} for action in actions) or (everything and any(a.endswith(":*") for a in actions)):
        yield f"it allows {', '.join(actions)} on everything. {_NARROWER}"
    if _everybody(statement.get("Principal")) and not statement.get("Condition"):
        yield "it lets everybody in. Name a principal, or say the condition that holds them to the cell."


def _everybody(principal: object) -> bool:
    values = principal.values() if isinstance(principal, Mapping) else [principal]
    return any("*" in _many(value) for value in values)


def _many(value: object) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
