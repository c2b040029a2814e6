"""Take away each security-relevant argument of each cloud's plan, one at a time: the guard notices every one.

The rules are asked in this process, since there are hundreds of mutants; `test_guard.py` asks them through Pulumi's
analyzer. A mutant whose cloud does right by default is put wrong instead of taken away.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from infra.guard.border import Border
from infra.guard.keepsakes import KEEPSAKES
from infra.guard.rules import RULES
from infra.guard.seen import Seen
from infra.guard.tables import WANTS
from infra.guard.tables.tagged import TAGGED
from infra.guard.whole import COMPANIONS, HAS
from infra.plan.golden import text
from infra.plan.resources import Plan, Resource
from tests.infra.arguments import arguments, paths, taken
from tests.infra.plans import CLOUDS, plan

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("stack", CLOUDS)
def test_an_argument_that_is_taken_away_is_missed(stack: str) -> None:
    good = plan(stack)
    mutants = [one for one in arguments(good) if not one.has_default]

    unnoticed = [str(one) for one in mutants if one.want.rule not in _names(good, one.without())]
    assert unnoticed == []
    assert mutants


@pytest.mark.parametrize("stack", CLOUDS)
def test_an_argument_that_is_right_by_default_is_noticed_when_it_is_wrong(stack: str) -> None:
    good = plan(stack)
    mutants = [one for one in arguments(good) if one.has_default]

    unnoticed = [str(one) for one in mutants if one.want.rule not in _names(good, one.spoilt())]
    assert unnoticed == []


@pytest.mark.parametrize("stack", CLOUDS)
def test_protection_and_tags_that_are_taken_away_are_missed(stack: str) -> None:
    good = plan(stack)
    kept = [one for one in good.resources if one.type in KEEPSAKES]
    tagged = [one for one in good.resources if one.type in TAGGED]

    loose = [one.name for one in kept if "protected" not in _names(good, replace(one, protect=False))]
    bare = [one.name for one in tagged if "tagged" not in _names(good, one.with_inputs({}))]
    assert (loose, bare) == ([], [])


@pytest.mark.parametrize("stack", CLOUDS)
def test_a_guard_that_is_taken_from_beside_what_it_guards_is_missed(stack: str) -> None:
    good = plan(stack)
    types = {one.type for one in good.resources}
    rows = [(rule, guard) for rule, kind, guard, _ in COMPANIONS if kind in types]
    rows += [
        (rule, kinds[0])
        for rule, provider, kinds, _ in HAS
        if provider == _border(good).spec.provider and len(kinds) == 1
    ]

    unnoticed = [
        kind for rule, kind in rows if rule not in _of_whole([one for one in good.resources if one.type != kind], good)
    ]
    assert unnoticed == []


@pytest.mark.parametrize("stack", CLOUDS)
def test_whatever_the_guard_leaves_to_reviewers_shows_in_the_agreed_plan(stack: str) -> None:
    """Any argument at all that is taken away, security-relevant or not, is a line that changes in a golden plan."""
    good = plan(stack)
    hidden = [
        f"{one.name}: {path}"
        for one in good.resources
        if one.custom
        for path in paths(one.inputs)
        if _shown(good, one) == _shown(good, one.with_inputs(taken(one.inputs, path)))
    ]

    assert hidden == []


def test_every_row_of_the_table_belongs_to_a_rule_and_says_what_to_do() -> None:
    names = {rule.name for rule in RULES}

    assert [want.path for want in WANTS if want.rule not in names or len(want.fix) < 4] == []


def _names(good: Plan, changed: Resource) -> set[str]:
    """The rules that speak against one resource."""
    seen = _seen(changed, good)
    return {rule.name for rule in RULES if rule.each and any(rule.each(seen, _border(good)))}


def _of_whole(resources: Sequence[Resource], good: Plan) -> set[str]:
    seen = [_seen(one, good) for one in resources]
    return {rule.name for rule in RULES if rule.whole and any(rule.whole(seen, _border(good)))}


def _shown(good: Plan, one: Resource) -> str:
    return text(replace(good, resources=(one,), outputs={}))


def _border(good: Plan) -> Border:
    if good.stack not in _BORDERS:
        _BORDERS[good.stack] = Border.parse(good.config)
    return _BORDERS[good.stack]


_BORDERS: dict[str, Border] = {}


def _seen(resource: Resource, good: Plan) -> Seen:
    """As `infra.guard.pack` sees it, after a walk through JSON."""
    urn = resource.provider.rpartition("::")[0]
    provider = next((one.inputs for one in good.resources if one.urn == urn), None) if urn else None
    return Seen(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        inputs=json.loads(json.dumps(resource.inputs)),
        protected=resource.protect,
        provider=provider,
        leans_on={name: frozenset(urns) for name, urns in resource.depends_by.items()},
    )
