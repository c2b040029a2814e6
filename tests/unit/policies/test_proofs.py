"""The rules cannot leak, for any tenant and any region; and a rule that is taken away does not go unnoticed."""

from __future__ import annotations

import re

import pytest

from policies.cedar import Cedar, faults
from policies.errors import Refused
from policies.oracle import CHECKS
from policies.policy import Policy
from policies.proofs import PROPERTIES, prove, widening

SHIPPED = Policy.shipped()
RULES = sorted(CHECKS)
#: What must fail to be proven when a rule is gone from the permit and from the forbids alike.
GUARDS = {
    "region-confirmed": {"confirmed"},
    "facts-current": {"current"},
    "jurisdiction-allowed": {"P2"},
    "class-allowed": {"class"},
    "purpose-allowed": {"purpose"},
    "ownership-known": {"ownership-known"},
    "ownership-allowed": {"ownership"},
    "lists-checked": {"P3-checked"},
    "lists-clear": {"P3", "P3-any"},
    "certifications-all": {"P4"},
    "certifications-any": {"P4-any"},
    "seal-minimum": {"seal"},
    "evidence-minimum": {"evidence"},
    "transfer-subject": {"transfer"},
    "transfer-home": {"transfer-home"},
    "restricted-eu": {"P1"},
    "restricted-jp": {"P1-JP"},
}


def condition(rule: str) -> str:
    """What stands in a forbid's `unless`."""
    found = re.search(rf'@id\("{rule}"\)[^;]*?unless\s*\{{(.*?)\}};', SHIPPED.rules, re.DOTALL)
    assert found
    return found.group(1)


def without_forbid(policy: Policy, rule: str) -> Policy:
    cut = re.sub(rf'@id\("{rule}"\)\nforbid [^;]*;', "", policy.rules)
    assert cut != policy.rules
    return Policy(policy.schema, cut)


def without_condition(policy: Policy, rule: str) -> Policy:
    head, permit, rest = policy.rules.partition('@id("permit")')
    body, end, rest = rest.partition(";")
    words = r"\s+".join(map(re.escape, condition(rule).split()))
    cut = re.sub(rf"when\s*\{{\s*{words}\s*\}}", "", body, count=1)
    assert cut != body
    return Policy(policy.schema, head + permit + cut + end + rest)


def failed(policy: Policy) -> set[str]:
    return {proof.id for proof in prove(policy) if not proof.holds}


def changed(old: str, new: str) -> Policy:
    assert old in SHIPPED.rules
    return Policy(SHIPPED.schema, SHIPPED.rules.replace(old, new))


def test_every_property_of_the_shipped_rules_is_proven():
    assert [proof for proof in prove(SHIPPED) if not proof.holds] == []


def test_every_rule_has_a_property_that_guards_it():
    assert set(GUARDS) == set(CHECKS)
    assert set().union(*GUARDS.values()) | {"P5", "forbids-redundant", "denials-named"} == {p.id for p in PROPERTIES}


@pytest.mark.parametrize("rule", RULES)
def test_a_forbid_that_is_taken_away_is_missed(rule):
    mutant = without_forbid(SHIPPED, rule)

    assert failed(mutant) == {"denials-named"}
    with pytest.raises(Refused, match=f"The rule {rule} is missing"):
        Cedar.load(mutant)


@pytest.mark.parametrize("rule", RULES)
def test_a_condition_that_the_permit_loses_is_missed(rule):
    mutant = without_condition(SHIPPED, rule)

    assert failed(mutant) == {"forbids-redundant"}
    assert any(rule in fault for fault in faults(mutant))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_taken_away_altogether_breaks_the_property_that_it_guards(rule):
    mutant = without_forbid(without_condition(SHIPPED, rule), rule)

    assert failed(mutant) == GUARDS[rule]
    assert widening(SHIPPED, mutant)
    assert widening(mutant, SHIPPED) == ()


def test_rules_that_permit_nothing_are_found_to_be_empty():
    assert "P5" in failed(changed("when { resource.confirmed }", "when { resource.confirmed && !resource.confirmed }"))


def test_a_wider_version_is_shown_by_a_request_that_the_old_one_denies():
    wider = changed("resource.evidence >= principal.min_evidence", "resource.evidence >= 2")

    told = dict(line.split(" = ") for line in widening(SHIPPED, wider))
    assert told["tenant.min_evidence"] == "3"
    assert told["region.evidence"] == "2"
    assert told["region.jurisdiction"] == '"EU"'


def test_rules_are_not_wider_than_themselves():
    assert widening(SHIPPED, SHIPPED) == ()


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ('when { resource.jurisdiction like "E*" }', "Like"),
        ("when { if resource.confirmed then true else false }", "IfThenElse"),
        ("when { context has purpose }", "HasAttr"),
        ("when { context.now_day + 1 > 0 }", "BinaryOp"),
    ],
)
def test_syntax_that_the_translation_does_not_know_stops_the_proof(condition, named):
    with pytest.raises(Refused, match=f"{named}.*the proofs do not know"):
        prove(changed("when { resource.confirmed }", condition))


def test_a_rule_of_another_scope_stops_the_proof():
    wide = Policy(SHIPPED.schema, SHIPPED.rules + '@id("back-door")\npermit (principal, action, resource);\n')

    with pytest.raises(Refused, match="scope"):
        prove(wide)
    assert "exactly one permit" in faults(wide)[0]
