"""Judges plans that another interpreter holds: `python -m infra.guard.judge`, JSON in and JSON out.

In:  {"plan": a plan as JSON, "previewed": false, "variants": [{"changed": [resources], "gone": [urns]}]}
Out: one list of refusals for each variant, or for the plan itself when there are none: [[{"rule", "urn", "message"}]]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from infra.guard.previewed import previewed
from infra.plan.analyzer import GUARD, Analyzer, Violation
from infra.plan.resources import Plan

__all__ = ["judged"]


def judged(asked: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    """The refusals of each variant. Raises Unavailable when the pack does not start."""
    plan = Plan.from_json(asked["plan"])
    if asked.get("previewed"):
        plan = previewed(plan)
    with Analyzer(GUARD, plan.stack, dict(plan.config)) as pack:
        variants = asked.get("variants")
        if variants is None:
            return [_rows(pack.violations(plan))]
        return [_variant(pack, plan, one) for one in variants]


def _variant(pack: Analyzer, plan: Plan, variant: Mapping[str, Any]) -> list[dict[str, str]]:
    changed = Plan.from_json({**plan.as_json(), "resources": variant["changed"]}).resources
    for urn in variant["gone"]:
        plan = plan.without(urn)
    for resource in changed:
        plan = plan.with_resource(resource)
    return _rows(pack.violations(plan, _reached(plan, frozenset(resource.urn for resource in changed))))


def _reached(plan: Plan, changed: frozenset[str]) -> frozenset[str]:
    """What changed, and what a changed provider makes."""
    return changed | {one.urn for one in plan.resources if one.provider.rpartition("::")[0] in changed}


def _rows(found: Iterable[Violation]) -> list[dict[str, str]]:
    """A rule that looks at resources and at the whole is two policies to the engine, and one to a reader."""
    return [
        {"rule": one.rule.removesuffix("-whole"), "urn": one.urn, "message": one.message}
        for one in found
        if one.level == "mandatory"
    ]


if __name__ == "__main__":
    json.dump(judged(json.load(sys.stdin)), sys.stdout)
