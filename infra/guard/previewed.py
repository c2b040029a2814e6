"""A plan as a preview has it: what only a cloud knows is unknown, where the plan engine puts a name for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from infra.plan.resources import Plan

__all__ = ["previewed"]


def previewed(plan: Plan) -> Plan:
    """The same plan with each name such as <eu-arn-films.arn>, and each text made of one, unknown."""
    return replace(plan, resources=tuple(one.with_inputs(_unknown(one.inputs)) for one in plan.resources))


def _unknown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _unknown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_unknown(one) for one in value]
    return UNKNOWN if isinstance(value, str) and "<" in value and ">" in value else value
