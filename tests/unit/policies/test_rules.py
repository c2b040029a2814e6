"""The rules deny whatever cannot be evaluated, and say why."""

from __future__ import annotations

import builtins

import pytest

from policies.cedar import Cedar, region_entities, tenant_entity
from policies.constraints import Constraints, DataClass, Purpose
from policies.decision import Asked, Verdict
from policies.errors import Malformed, Refused, Unavailable
from policies.facts import Facts, ProviderFacts
from policies.policy import Policy

POLICY = Policy.shipped()
ASKED = Asked(DataClass.PERSONAL, Purpose.GENERATION, "EU", 5)
TENANT = Constraints(
    home="EU", allowed_jurisdictions=frozenset(["EU"]), allowed_classes=frozenset([DataClass.PERSONAL])
)
PROVIDER = ProviderFacts("acme", "EU", True, frozenset(), frozenset(), (0,) * 8)
REGION = Facts("acme/1", PROVIDER, "EU", "DE", True, frozenset(), 1, frozenset(), 0, 9)


@pytest.fixture(scope="module")
def cedar() -> Cedar:
    return Cedar.load(POLICY)


def test_a_request_that_meets_every_condition_is_permitted_by_the_one_permit(cedar):
    told = cedar.ask(cedar.world([REGION], [TENANT]), TENANT.digest, ["acme/1"], ASKED)

    assert told == [Verdict(True, ("permit",))]


@pytest.mark.parametrize(("tenant", "region"), [("ghost", "acme/1"), (TENANT.digest, "acme/ghost")])
def test_a_ghost_is_denied_since_its_conditions_cannot_be_evaluated(cedar, tenant, region):
    told = cedar.ask(cedar.world([REGION], [TENANT]), tenant, [region], ASKED)

    assert told == [Verdict(False, ("policy-error",))]


def test_a_region_whose_provider_is_missing_is_denied(cedar):
    world = cedar.parse([region_entities([REGION])[1], tenant_entity(TENANT)])

    (told,) = cedar.ask(world, TENANT.digest, ["acme/1"], ASKED)
    assert not told.allowed
    assert "policy-error" in told.rules


@pytest.mark.parametrize("attribute", ["jurisdiction", "provider", "facts_until", "certifications"])
def test_a_region_without_an_attribute_does_not_get_in_and_is_named(cedar, attribute):
    provider, region = region_entities([REGION])
    del region["attrs"][attribute]

    with pytest.raises(Malformed, match="does not allow Region acme/1"):
        cedar.parse([provider, region, tenant_entity(TENANT)])


def test_a_misspelt_attribute_in_the_rules_is_refused_by_its_name():
    misspelt = Policy(POLICY.schema, POLICY.rules.replace("principal.home", "principal.hoem"))

    with pytest.raises(Refused, match="hoem"):
        Cedar.load(misspelt)


@pytest.mark.parametrize("rules", ["permit(", "", "permit (principal, action, resource);", "\0"])
def test_rules_that_are_broken_or_bare_may_not_decide(rules):
    with pytest.raises(Refused, match="may not decide"):
        Cedar.load(Policy(POLICY.schema, rules))


def test_a_rule_of_one_s_own_may_be_added_to_permit_and_forbids_alike():
    condition = 'resource.country != "FR"'
    permit, rest = POLICY.rules.split(";", 1)
    scope = 'principal is Tenant, action == Action::"run", resource is Region'
    forbid = f'@id("not-france")\nforbid ({scope})\nunless {{ {condition} }};\n'
    own = Cedar.load(Policy(POLICY.schema, f"{permit}\nwhen {{ {condition} }};{rest}\n{forbid}"))
    paris = Facts("acme/2", PROVIDER, "EU", "FR", True, frozenset(), 1, frozenset(), 0, 9)

    told = own.ask(own.world([REGION, paris], [TENANT]), TENANT.digest, ["acme/1", "acme/2"], ASKED)
    assert told == [Verdict(True, ("permit",)), Verdict(False, ("not-france",))]


def test_without_cedar_nothing_is_permitted_and_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(
        builtins,
        "__import__",
        lambda name, *rest: (_ for _ in ()).throw(ImportError(name)) if name == "cedarpy" else real(name, *rest),
    )

    with pytest.raises(Unavailable, match="Install cedarpy"):
        Cedar.load(POLICY)


def test_a_policy_reads_itself_back_from_its_bundle():
    assert Policy.parse(POLICY.canonical) == POLICY


def test_a_decision_is_not_mistaken_for_yes(cedar):
    from policies.decision import Decision, Grounds

    with pytest.raises(TypeError, match="ask for `allowed`"):
        bool(Decision((), {}, Grounds()))
