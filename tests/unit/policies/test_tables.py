"""A table answers what Cedar would, at once, and nothing when it is in doubt."""

from __future__ import annotations

import builtins
import json
from datetime import date

import pytest

from policies.atlas import Atlas, LegalLists
from policies.canonical import encode
from policies.constraints import Constraints, DataClass, Purpose, Wish
from policies.decision import Asked
from policies.errors import Refused
from policies.explain import explain
from policies.oracle import CHECKS
from policies.policy import Policy
from policies.shelf import Shelf
from policies.signatures import days
from policies.tables import Place, Tables
from policies.worker import Worker

TODAY = days(date(2026, 12, 1))
POLICY = Policy.shipped()
EU = Constraints(home="EU", allowed_jurisdictions=frozenset(["EU"]), allowed_classes=frozenset(DataClass))
BOTH = Constraints(
    home="EU", allowed_jurisdictions=frozenset(["EU", "JP"]), allowed_classes=frozenset([DataClass.PERSONAL])
)
IN_EU = Wish(allowed_jurisdictions=frozenset(["EU"]))
GROUNDS = {"checked": "2026-11-24", "source": "the register of companies"}
OWNED = {"fact": "ownership", "provider": "scaleway", "value": "EU", "expires": "2027-01-31", **GROUNDS}


@pytest.fixture(scope="module")
def lists() -> LegalLists:
    return Shelf().read_lists(TODAY)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """The shipped catalogue, and one confirmed owner until the end of January."""
    overlay = {"v": "equerry.overlay/1", "name": "acme", "dated": "2026-11-25", "expires": "2027-06-30"}
    shipped = json.loads(Shelf().read_atlas(TODAY).canonical)
    return Atlas.parse(encode({**shipped, "overlays": [{**overlay, "confirmations": [OWNED]}]}))


@pytest.fixture(scope="module")
def tables(atlas, lists) -> Tables:
    return Tables.build(POLICY, atlas, lists, {"eu": EU, "both": BOTH}, TODAY)


def lands(tables: Tables, decision) -> set[str]:
    return {tables.place(region).jurisdiction for region in decision.eligible}


def test_an_eu_tenant_lands_in_the_eu_alone(tables):
    decision = tables.decide("eu", "personal", day=TODAY)

    assert lands(tables, decision) == {"EU"}
    assert decision.denied["aws/ap-northeast-1"] == ("jurisdiction-allowed",)
    assert decision.reason == ""


def test_restricted_eu_runs_only_where_an_eu_owner_is_confirmed(tables):
    decision = tables.decide("eu", "restricted_eu", day=TODAY)

    assert set(decision.eligible) == {"scaleway/fr-par", "scaleway/nl-ams", "scaleway/pl-waw"}


def test_a_decision_carries_the_digests_of_all_that_it_rests_on(tables, atlas, lists):
    grounds = tables.decide("eu", "personal", day=TODAY).grounds

    assert (grounds.pol, grounds.cat) == (POLICY.digest, atlas.digest)
    assert (grounds.lst, grounds.con) == (lists.digest, EU.digest)


def test_a_decision_counts_denials_by_rule(tables):
    counts = tables.decide("eu", "personal", day=TODAY).counts

    assert counts["jurisdiction-allowed"] == 21
    assert counts["region-confirmed"] == 48


def test_a_ghost_tenant_is_denied_by_name(tables):
    decision = tables.decide("ghost", "personal", day=TODAY)

    assert (decision.allowed, decision.reason) == (False, "unknown_tenant")


def test_a_class_that_nobody_knows_is_denied_by_name(tables):
    assert tables.decide("eu", "secret", day=TODAY).reason == "unknown_class"


def test_a_purpose_that_nobody_knows_is_denied_by_name(tables):
    assert tables.decide("eu", "personal", day=TODAY, purpose="fun").reason == "unknown_purpose"


def test_a_class_that_a_tenant_does_not_send_has_no_compliant_region(tables):
    decision = tables.decide("both", "internal", day=TODAY)

    assert (decision.allowed, decision.reason) == (False, "no_compliant_region")
    assert decision.denied
    assert all("class-allowed" in rules for rules in decision.denied.values())


def test_a_table_permits_until_a_fact_expires_and_then_says_that_it_is_stale(tables):
    assert tables.valid_until_day == days(date(2027, 1, 31))
    assert tables.decide("eu", "personal", day=tables.valid_until_day).allowed

    stale = tables.decide("eu", "personal", day=tables.valid_until_day + 1)
    assert (stale.allowed, stale.reason) == (False, "stale_table")


def test_a_table_permits_nothing_before_its_first_day(tables):
    assert tables.decide("eu", "personal", day=tables.valid_from_day - 1).reason == "stale_table"


def test_a_table_that_is_built_anew_has_lost_what_expired(atlas, lists):
    later = days(date(2027, 2, 1))

    decision = Tables.build(POLICY, atlas, lists, {"eu": EU}, later).decide("eu", "restricted_eu", day=later)
    assert decision.denied["scaleway/fr-par"] == ("restricted-eu",)


def test_a_wish_narrows(tables):
    wide = tables.decide("both", "personal", day=TODAY)
    narrow = tables.decide("both", "personal", day=TODAY, wishes=(IN_EU,))

    assert lands(tables, wide) == {"EU", "JP"}
    assert lands(tables, narrow) == {"EU"}
    assert set(narrow.eligible) < set(wide.eligible)
    assert narrow.grounds.con != wide.grounds.con


def test_a_wish_for_more_gets_no_more(tables):
    wish = Wish(allowed_jurisdictions=frozenset(["EU", "JP", "US"]), allowed_classes=frozenset(DataClass))

    assert tables.decide("eu", "personal", day=TODAY, wishes=(wish,)).eligible == (
        tables.decide("eu", "personal", day=TODAY).eligible
    )


def test_wishes_that_cannot_be_joined_are_denied(tables):
    groups = [frozenset(frozenset([f"{name}{n}"]) for n in range(3)) for name in ("scheme", "other")]
    wishes = tuple(Wish(required_any=group) for group in groups)

    assert tables.decide("eu", "personal", day=TODAY, wishes=wishes).reason == "refused_wish"


def test_people_elsewhere_need_a_law_that_accepts_the_region(tables):
    decision = tables.decide("both", "personal", day=TODAY, subject_region="JP")

    assert lands(tables, decision) == {"EU", "JP"}
    assert not tables.decide("both", "personal", day=TODAY, subject_region="US").allowed


def test_naming_other_people_does_not_talk_the_tenant_out_of_its_own_law(atlas, lists):
    swiss = Constraints(
        home="CH", allowed_jurisdictions=frozenset(["EU"]), allowed_classes=frozenset([DataClass.PERSONAL])
    )
    tables = Tables.build(POLICY, atlas, lists, {"swiss": swiss}, TODAY)

    decision = tables.decide("swiss", "personal", day=TODAY, subject_region="EU")
    assert decision.denied["aws/eu-central-1"] == ("transfer-home",)


def test_the_same_narrowed_question_is_decided_once(tables):
    first = tables.decide("both", "personal", day=TODAY, wishes=(IN_EU,))

    assert tables.decide("both", "personal", day=TODAY, wishes=(IN_EU,)) is first


def test_what_is_remembered_is_bounded(tables, monkeypatch):
    monkeypatch.setattr("policies.tables.MOST_REMEMBERED", 3)
    tables._remembered.clear()
    for jurisdiction in ("AA", "BB", "CC", "DD", "EE"):
        tables.decide("both", "personal", day=TODAY, subject_region=jurisdiction)

    assert len(tables._remembered) == 3
    assert ("both", "personal", "generation", "AA", ()) not in tables._remembered


def test_closed_tables_deny_everything_for_their_reason():
    decision = Tables.closed("policy_refused").decide("eu", "personal", day=TODAY)

    assert (decision.allowed, decision.reason) == (False, "policy_refused")


def test_a_policy_that_lost_a_rule_builds_no_table(atlas, lists):
    lost = Policy(POLICY.schema, POLICY.rules.replace('@id("restricted-eu")', '@id("other")'))

    with pytest.raises(Refused, match="rule restricted-eu is missing"):
        Tables.build(lost, atlas, lists, {"eu": EU}, TODAY)


def test_without_cedar_a_table_denies_all_and_still_names_the_rules(atlas, lists, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "cedarpy":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    tables = Tables.build(POLICY, atlas, lists, {"eu": EU}, TODAY)

    decision = tables.decide("eu", "personal", day=TODAY)
    assert (decision.allowed, decision.reason) == (False, "engine_missing")
    assert decision.denied["aws/eu-central-1"] == ("engine-missing",)
    assert decision.denied["aws/ap-northeast-1"] == ("jurisdiction-allowed",)
    assert not tables.decide("eu", "personal", day=TODAY, wishes=(IN_EU,)).allowed


def test_a_place_is_told_as_the_log_needs_it(tables):
    assert tables.place("scaleway/fr-par") == Place("EU", "FR", "scaleway", "EU")
    assert tables.place("aws/eu-west-1") == Place("EU", "IE", "aws", "")


def test_the_ground_of_a_transfer_is_named(tables):
    assert tables.basis("EU", "aws/eu-west-1") == "domestic"
    assert tables.basis("EU", "aws/ap-northeast-1") == "adequacy"
    assert tables.basis("US", "aws/ap-northeast-1") == "none"


@pytest.mark.parametrize("region", ["scaleway/fr-par", "aws/ap-northeast-1", "ovh/GRA"])
@pytest.mark.parametrize("data_class", DataClass)
def test_the_worker_s_own_decision_is_the_table_s(tables, atlas, lists, region, data_class):
    worker = Worker.prepare(POLICY, atlas, lists, region, TODAY)
    asked = Asked(data_class, Purpose.GENERATION, "EU", TODAY)

    for tenant, demands in (("eu", EU), ("both", BOTH)):
        assert worker.decide(demands, asked) == tables.decide(tenant, data_class, day=TODAY).verdict(region)


def test_a_worker_whose_facts_are_out_of_date_denies(atlas, lists):
    worker = Worker.prepare(POLICY, atlas, lists, "scaleway/fr-par", TODAY)

    told = worker.decide(EU, Asked(DataClass.PERSONAL, Purpose.GENERATION, "EU", days(date(2027, 2, 1))))
    assert (told.allowed, told.rules) == (False, ("facts-current",))


def test_a_worker_in_a_region_that_nobody_knows_does_not_start(atlas, lists):
    with pytest.raises(Refused, match="aws/moon-1"):
        Worker.prepare(POLICY, atlas, lists, "aws/moon-1", TODAY)


def test_an_explanation_names_the_fact_that_nobody_confirmed_and_what_to_do(atlas, lists):
    tenant = EU.model_copy(update={"forbidden_ownership": frozenset({"US"})})
    asked = Asked(DataClass.PERSONAL, Purpose.GENERATION, "EU", TODAY)

    (told,) = explain(POLICY, atlas, lists, tenant, asked, ["ovh/EU-WEST-PAR"])
    (why,) = told.whys
    assert why.rule == "ownership-known"
    assert why.because == "that OVHcloud is owned in EU is recalled, not confirmed"
    assert "confirm `ownership` of ovh" in why.remedy


def test_every_rule_has_words_of_its_own(atlas, lists):
    strict = Constraints.parse(
        b'{"v":"equerry.constraints/1","home":"US","allowed_jurisdictions":["UK"],"allowed_classes":[],'
        b'"allowed_purposes":[],"forbidden_ownership":["EU","US"],"forbidden_lists":["us-1260h","other"],'
        b'"required_certifications":["c5","c55"],"required_any":[["hds"]],"min_seal":{"sov1":4},'
        b'"min_evidence":"attested"}'
    )
    rules, texts = set(), set()
    for data_class in (DataClass.RESTRICTED_EU, DataClass.RESTRICTED_JP):
        asked = Asked(data_class, Purpose.SUPPORT, "CN", days(date(2026, 11, 1)))
        for told in explain(POLICY, atlas, lists, strict, asked):
            rules |= {why.rule for why in told.whys}
            texts |= {why.because for why in told.whys}

    assert rules == set(CHECKS)
    assert "the policy says so" not in texts
