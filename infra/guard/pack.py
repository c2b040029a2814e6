"""The rules as Pulumi's policies: the one place that knows the policy SDK."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import proxy as _proxy
from pulumi_policy.deserialize import serialize_properties

from infra.guard.border import Border
from infra.guard.rule import OnPlan, OnResource, Rule
from infra.guard.rules import RULES
from infra.guard.seen import UNKNOWN, Seen

__all__ = ["serve"]

_UNKNOWNS = frozenset(
    value for name, value in vars(_proxy).items() if name.startswith("UNKNOWN_") and isinstance(value, str)
)


def serve() -> None:
    """Answer the engine until it goes away."""
    PolicyPack("equerry-border", list(_policies(RULES)), EnforcementLevel.MANDATORY)


def _policies(rules: tuple[Rule, ...]) -> Iterator[Policy]:
    for rule in rules:
        if rule.each is not None:
            yield ResourceValidationPolicy(rule.name, rule.says, _on_resource(rule.each))
        if rule.whole is not None:
            suffix = "" if rule.each is None else "-whole"  # the engine wants one name for each policy
            yield StackValidationPolicy(rule.name + suffix, rule.says, _on_plan(rule.whole))


def _border() -> Border:
    """Looked up for each call, since a pack may outlive a stack's configuration."""
    return _read(os.environ.get("PULUMI_CONFIG", "{}"))


@lru_cache(maxsize=4)
def _read(config: str) -> Border:
    return Border.parse(json.loads(config))


def _on_resource(check: OnResource) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in check(_seen(args), _border()):
            report(message)

    return validate


def _on_plan(check: OnPlan) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for seen, message in check([_seen(resource) for resource in args.resources], _border()):
            report(message, seen.urn if seen else None)

    return validate


def _seen(resource: ResourceValidationArgs | PolicyResource) -> Seen:
    sources = getattr(resource, "property_dependencies", {})
    return Seen(
        type=resource.resource_type,
        name=resource.name,
        urn=resource.urn,
        inputs=_plain(resource.props),
        protected=resource.opts.protect,
        provider=_plain(resource.provider.props) if resource.provider else None,
        leans_on={key: frozenset(source.urn for source in found) for key, found in sources.items()},
    )


def _plain(props: Mapping[str, Any]) -> dict[str, object]:
    """Plain values; what the engine does not know yet becomes UNKNOWN."""
    return {key: _known(value) for key, value in serialize_properties(props).items()}


def _known(value: Any) -> object:
    if isinstance(value, Mapping):
        return {key: _known(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_known(inner) for inner in value]
    return UNKNOWN if isinstance(value, str) and value in _UNKNOWNS else value
