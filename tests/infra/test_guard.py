"""The policy pack as the engine runs it: a process that is asked over gRPC about plans of the real programs."""

from __future__ import annotations

from collections import Counter

import pytest

from infra.guard.rules import RULES
from tests.infra.bad import BAD, Bad
from tests.infra.plans import CLOUDS, judge, judge_variants, plan, stacks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("stack", stacks())
def test_the_guard_refuses_nothing_in_a_good_stack(stack: str) -> None:
    assert judge(plan(stack)) == []


@pytest.mark.parametrize("stack", CLOUDS)
def test_the_guard_refuses_nothing_in_a_preview_where_much_is_unknown(stack: str) -> None:
    assert judge(plan(stack), previewed=True) == []


@pytest.mark.parametrize("stack", CLOUDS)
def test_each_leak_is_refused_by_the_rule_that_names_it(stack: str) -> None:
    bad = [one for one in BAD if one.stack == stack]

    found = judge_variants(plan(stack), [one.spoil(plan(stack)) for one in bad])

    missed = {
        one.says: sorted({row["rule"] for row in rows})
        for one, rows in zip(bad, found, strict=True)
        if not _names(one, rows)
    }
    assert missed == {}


def test_each_rule_has_a_plan_that_breaks_it() -> None:
    """Every rule but those that ask about the stack file itself, which a plan cannot break."""
    broken = Counter(one.rule for one in BAD)

    assert {rule.name for rule in RULES} - set(broken) == {"jurisdiction", "own-network"}


def _names(bad: Bad, rows: list[dict[str, str]]) -> bool:
    """Whether the rule speaks, and says what to do: more than one sentence."""
    return any(row["rule"] == bad.rule and len(row["message"]) > 60 for row in rows)
