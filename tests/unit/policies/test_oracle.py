"""Cedar and plain Python answer alike, rule by rule; and demands only ever narrow."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import oracle
from policies.cedar import Cedar
from policies.constraints import MOST_GROUPS, Constraints, DataClass, Evidence, Purpose, Seal, Wish, narrow, widenings
from policies.decision import Asked
from policies.errors import Refused
from policies.facts import Facts, ProviderFacts
from policies.policy import Policy

JURISDICTIONS = ("EU", "JP", "US", "CN")
LISTS = ("us-1260h", "eu-sanctions")
SCHEMES = ("c5", "ismap", "iso27001", "hds")
DAYS = range(10)


def some(words, most=None):
    return st.frozensets(st.sampled_from(words), max_size=most)


seals = st.builds(Seal, sov1=st.integers(0, 4), sov5=st.integers(0, 4), sov8=st.integers(0, 4))
demands = {
    "forbidden_ownership": some(JURISDICTIONS),
    "forbidden_lists": some(LISTS),
    "required_certifications": some(SCHEMES, 2),
    "required_any": st.frozensets(st.frozensets(st.sampled_from(SCHEMES), min_size=1), max_size=2),
    "min_seal": seals,
    "min_evidence": st.sampled_from(Evidence),
}
allowances = {
    "allowed_jurisdictions": some(JURISDICTIONS),
    "allowed_classes": some(tuple(DataClass)),
    "allowed_purposes": some(tuple(Purpose)),
}
tenants = st.builds(Constraints, home=st.sampled_from(JURISDICTIONS), **demands, **allowances)
wishes = st.builds(Wish, **demands, **{field: st.none() | words for field, words in allowances.items()})
providers = st.builds(
    ProviderFacts,
    id=st.just("provider"),
    ownership=st.sampled_from(("", *JURISDICTIONS)),
    ownership_known=st.booleans(),
    lists=some(LISTS),
    lists_checked=some(LISTS),
    seal=st.tuples(*(st.integers(0, 4) for _ in range(8))),
)
regions = st.builds(
    Facts,
    id=st.just("provider/region"),
    provider=providers,
    jurisdiction=st.sampled_from(JURISDICTIONS),
    country=st.just("DE"),
    confirmed=st.booleans(),
    certifications=some(SCHEMES),
    evidence=st.integers(0, 3),
    adequate_for=some(JURISDICTIONS),
    facts_from=st.sampled_from(DAYS),
    facts_until=st.sampled_from(DAYS),
)
questions = st.builds(
    Asked,
    data_class=st.sampled_from(DataClass),
    purpose=st.sampled_from(Purpose),
    subject_region=st.sampled_from(JURISDICTIONS),
    day=st.sampled_from(DAYS),
)


@pytest.fixture(scope="module")
def cedar() -> Cedar:
    return Cedar.load(Policy.shipped())


def easy(random: Random, words, share=0.8):
    """Most of the words, so that a good part of all requests is permitted."""
    return frozenset(word for word in words if random.random() < share)


def random_tenant(random: Random) -> Constraints:
    return Constraints(
        home=random.choice(("EU", "JP")),
        allowed_jurisdictions=easy(random, JURISDICTIONS),
        allowed_classes=easy(random, DataClass),
        allowed_purposes=easy(random, Purpose),
        forbidden_ownership=easy(random, JURISDICTIONS, 0.1),
        forbidden_lists=easy(random, LISTS, 0.2),
        required_certifications=easy(random, SCHEMES, 0.1),
        required_any=easy(random, (frozenset({"c5", "hds"}), frozenset({"ismap"}), frozenset({"c5", "iso27001"})), 0.2),
        min_seal=Seal(sov3=random.choice((0, 0, 0, 2)), sov7=random.choice((0, 0, 0, 4))),
        min_evidence=random.choice((Evidence.DECLARED, Evidence.DECLARED, Evidence.ATTESTED)),
    )


def random_region(random: Random, number: int) -> Facts:
    owner = random.choice(("EU", "JP", "US", ""))
    provider = ProviderFacts(
        id=f"p{number}",
        ownership=owner,
        ownership_known=bool(owner),
        lists=easy(random, LISTS, 0.2),
        lists_checked=easy(random, LISTS),
        seal=tuple(random.choice((0, 2, 3, 4)) for _ in range(8)),
    )
    return Facts(
        id=f"p{number}/r",
        provider=provider,
        jurisdiction=random.choice(("EU", "JP", "EU", "JP", "US")),
        country="DE",
        confirmed=random.random() < 0.9,
        certifications=easy(random, SCHEMES),
        evidence=random.choice((0, 1, 2, 3, 3)),
        adequate_for=easy(random, JURISDICTIONS),
        facts_from=random.choice((0, 0, 0, 5)),
        facts_until=random.choice((9, 9, 9, 3)),
    )


def test_cedar_and_the_oracle_agree_on_20_000_random_requests_and_on_the_rules_that_decide(cedar):
    random = Random(20_000)
    tenants_, regions_ = [random_tenant(random) for _ in range(50)], [random_region(random, n) for n in range(40)]
    world, ids = cedar.world(regions_, tenants_), [region.id for region in regions_]
    permitted, named = 0, set[str]()

    for tenant in tenants_:
        for _ in range(10):
            subject = random.choice(JURISDICTIONS)
            asked = Asked(random.choice(list(DataClass)), random.choice(list(Purpose)), subject, random.choice(DAYS))
            told = cedar.ask(world, tenant.digest, ids, asked)
            assert told == [oracle.verdict(tenant, region, asked) for region in regions_]
            permitted += sum(verdict.allowed for verdict in told)
            named.update(rule for verdict in told for rule in verdict.rules)

    assert permitted > 500
    assert named == {"permit", *oracle.CHECKS}


@settings(max_examples=300)
@given(tenant=tenants, region=regions, asked=questions)
def test_cedar_and_the_oracle_agree_on_whatever_hypothesis_thinks_of(cedar, tenant, region, asked):
    told = cedar.ask(cedar.world([region], [tenant]), tenant.digest, [region.id], asked)

    assert told == [oracle.verdict(tenant, region, asked)]


@settings(max_examples=500)
@given(ceiling=tenants, wish=wishes, region=regions, asked=questions)
def test_what_a_narrowed_tenant_may_do_the_tenant_may_do(ceiling, wish, region, asked):
    if oracle.verdict(narrow(ceiling, wish), region, asked).allowed:
        assert oracle.verdict(ceiling, region, asked).allowed


@given(ceiling=tenants, one=wishes, other=wishes)
def test_it_does_not_matter_which_wish_narrows_first(ceiling, one, other):
    if len(ceiling.required_any | one.required_any | other.required_any) <= MOST_GROUPS:
        assert narrow(narrow(ceiling, one), other) == narrow(narrow(ceiling, other), one)


@given(ceiling=tenants, wish=wishes)
def test_narrowing_twice_by_the_same_wish_changes_nothing(ceiling, wish):
    once = narrow(ceiling, wish)

    assert narrow(once, wish) == once


@given(ceiling=tenants, wish=wishes)
def test_what_a_wish_would_widen_is_named_and_cut(ceiling, wish):
    narrowed = narrow(ceiling, wish)

    for line in widenings(ceiling, wish):
        field, name = line.split(": ")
        assert name in getattr(wish, field)
        assert name not in getattr(narrowed, field)


@given(tenant=tenants)
def test_constraints_survive_their_canonical_bytes(tenant):
    assert Constraints.parse(tenant.canonical()) == tenant


@given(wish=wishes)
def test_wishes_survive_their_canonical_bytes(wish):
    assert Wish.parse(wish.canonical()) == wish


def test_a_home_cannot_be_changed_further_down():
    ceiling = Constraints(
        home="EU", allowed_jurisdictions=frozenset(["EU"]), allowed_classes=frozenset([DataClass.PUBLIC])
    )

    with pytest.raises(Refused, match="home is EU and cannot become JP"):
        narrow(ceiling, ceiling.model_copy(update={"home": "JP"}))


def test_more_groups_than_the_rules_have_slots_for_are_refused_rather_than_dropped():
    groups = frozenset(frozenset({scheme}) for scheme in SCHEMES)
    ceiling = Constraints(
        home="EU",
        allowed_jurisdictions=frozenset(["EU"]),
        allowed_classes=frozenset([DataClass.PUBLIC]),
        required_any=groups,
    )

    with pytest.raises(Refused, match="5 groups"):
        narrow(ceiling, Wish(required_any=frozenset([frozenset(["soc2"])])))
