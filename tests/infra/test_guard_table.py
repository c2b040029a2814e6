"""The guard's tables speak of types and arguments that exist: a misspelt one would guard nothing, in silence."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from infra.guard.keepsakes import KEEPSAKES
from infra.guard.links import FORBIDDEN
from infra.guard.tables import WANTS
from infra.guard.tables.tagged import TAGGED
from infra.guard.whole import COMPANIONS, HAS
from tests.infra.plans import CLOUDS, ask, plan

pytestmark = pytest.mark.slow


def test_every_type_that_a_rule_names_is_known_to_an_sdk() -> None:
    assert _answer()["types"] == []


def test_every_argument_that_a_rule_names_is_known_to_its_type() -> None:
    assert _answer()["paths"] == []


def test_everything_in_a_plan_that_can_carry_tags_is_asked_for_them() -> None:
    assert sorted(set(_answer()["tags"]) - set(TAGGED)) == []


@cache
def _answer() -> dict[str, Any]:
    types = {want.type for want in WANTS} | KEEPSAKES | set(TAGGED) | {pattern for _, pattern, _ in FORBIDDEN}
    types |= {kind for _, *pair, _ in COMPANIONS for kind in pair}
    types |= {kind for _, _, kinds, _ in HAS for kind in kinds}
    paths = [(want.type, want.path) for want in WANTS] + list(TAGGED.items())
    paths += [(kind, by) for _, _, kind, by in COMPANIONS]
    made = {one.type for stack in CLOUDS for one in plan(stack).resources if one.custom}
    answer: dict[str, Any] = ask("tests.infra.known", {"types": sorted(types), "paths": paths, "tags": sorted(made)})
    return answer
