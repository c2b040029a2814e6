"""The documents as resources; each cloud's SDK is imported where it is used, so that a run loads one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pulumi

from infra.org import documents
from infra.org.border import Border

__all__ = ["make"]

_KEPT: Final = pulumi.ResourceOptions(protect=True)


def make(border: Border) -> None:
    """All guards of one border."""
    _MAKERS[border.provider](border, f"equerry-{border.jurisdiction.lower()}")


def _aws(border: Border, name: str) -> None:
    import pulumi_aws as aws

    policy = aws.organizations.Policy(
        name,
        name=name,
        type="SERVICE_CONTROL_POLICY",
        description=f"Nothing outside {border.jurisdiction}",
        content=documents.aws(border.regions),
        opts=_KEPT,
    )
    aws.organizations.PolicyAttachment(name, policy_id=policy.id, target_id=border.target, opts=_KEPT)


def _gcp(border: Border, name: str) -> None:
    import pulumi_gcp as gcp

    for constraint, spec in documents.gcp(border.regions).items():
        gcp.orgpolicy.Policy(
            f"{name}-{constraint.lower().replace('.', '-')}",
            name=f"{border.target}/policies/{constraint}",
            parent=border.target,
            spec=_spec(gcp, spec),
            opts=_KEPT,
        )


def _spec(gcp: Any, spec: Mapping[str, Any]) -> Any:
    rules = [
        gcp.orgpolicy.PolicySpecRuleArgs(
            enforce=rule.get("enforce"),
            deny_all=rule.get("denyAll"),
            values=gcp.orgpolicy.PolicySpecRuleValuesArgs(allowed_values=rule["values"]["allowedValues"])
            if "values" in rule
            else None,
        )
        for rule in spec["rules"]
    ]
    return gcp.orgpolicy.PolicySpecArgs(rules=rules)


def _azure(border: Border, name: str) -> None:
    from pulumi_azure_native import authorization

    for role, assigned in documents.azure(border.regions).items():
        parameters = {
            key: authorization.ParameterValuesValueArgs(value=held["value"])
            for key, held in assigned["parameters"].items()
        }
        authorization.PolicyAssignment(
            f"{name}-{role}",
            policy_assignment_name=f"{name}-{role}"[:24],  # at most 24 letters over a management group
            display_name=f"Nothing outside {border.jurisdiction}: {role}",
            scope=f"/providers/Microsoft.Management/managementGroups/{border.target}",
            policy_definition_id=f"/providers/Microsoft.Authorization/policyDefinitions/{assigned['id']}",
            parameters=parameters,
            enforcement_mode="Default",
            opts=_KEPT,
        )


def _alicloud(border: Border, name: str) -> None:
    import pulumi_alicloud as alicloud

    policy = alicloud.resourcemanager.ControlPolicy(
        name,
        control_policy_name=name,
        description=f"Nothing outside {border.jurisdiction}",
        effect_scope="RAM",
        policy_document=documents.alicloud(border.regions),
        opts=_KEPT,
    )
    alicloud.resourcemanager.ControlPolicyAttachment(name, policy_id=policy.id, target_id=border.target, opts=_KEPT)


_MAKERS: Final[Mapping[str, Callable[[Border, str], None]]] = {
    "aws": _aws,
    "gcp": _gcp,
    "azure": _azure,
    "alicloud": _alicloud,
}
