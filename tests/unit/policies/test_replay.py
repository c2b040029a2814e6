"""What was decided can be decided again, from documents alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from policies.archive import read_archive, read_record
from policies.atlas import Atlas
from policies.canonical import Value, encode, sha256
from policies.constraints import Constraints, DataClass
from policies.decision import Grounds
from policies.errors import Malformed, Refused
from policies.policy import Policy
from policies.replay import Answer, Archive, Question, replay
from policies.shelf import Shelf
from policies.signatures import days
from policies.tables import Tables

TODAY = days(date(2026, 12, 1))
POLICY = Policy.shipped()
TENANT = Constraints(
    home="EU",
    allowed_jurisdictions=frozenset(["EU"]),
    allowed_classes=frozenset(DataClass),
    forbidden_lists=frozenset(["us-1260h"]),
)
GROUNDS = {"checked": "2026-11-24", "expires": "2027-01-31", "source": "the register of companies"}
CHAIN: list[Value] = [
    {"fact": "parent", "provider": "scaleway", "entity": "iliad-sa", **GROUNDS},
    {"fact": "subprocessors", "provider": "scaleway", "entities": ["cooling-sa"], **GROUNDS},
]


def question(region: str = "scaleway/fr-par", **changed) -> Question:
    return replace(Question("personal", "generation", "EU", region, TODAY), **changed)


def confirmed_lists() -> dict[str, Any]:
    """The shipped lists, as someone holds them who has read the whole list."""
    value = json.loads(Shelf().read_lists(TODAY).canonical)
    value["lists"][0] |= {"confidence": "confirmed", "checked": "2026-11-21"}
    return value


@pytest.fixture(scope="module")
def archive() -> Archive:
    overlay = {"v": "equerry.overlay/1", "name": "acme", "dated": "2026-11-25", "expires": "2027-06-30"}
    atlas = json.loads(Shelf().read_atlas(TODAY).canonical)
    whole = encode({**atlas, "overlays": [{**overlay, "confirmations": CHAIN}]})
    return Archive(POLICY.canonical, whole, encode(confirmed_lists()), TENANT.canonical())


def test_a_past_decision_is_made_again_with_the_rules_that_decided(archive):
    questions = [question(), question("alibaba/eu-central-1"), question("aws/ap-northeast-1")]

    assert replay(archive, questions) == [
        Answer(True, ("permit",)),
        Answer(False, ("lists-checked", "lists-clear")),
        Answer(False, ("jurisdiction-allowed", "lists-checked")),
    ]


def test_replay_says_what_the_table_said(archive):
    from policies.atlas import LegalLists

    atlas, lists = Atlas.parse(archive.catalogue), LegalLists.parse(archive.lists)
    tables = Tables.build(POLICY, atlas, lists, {"acme": TENANT}, TODAY)
    regions = [region.id for region in atlas.catalogue.regions]

    for data_class in DataClass:
        decision = tables.decide("acme", data_class, day=TODAY)
        told = replay(archive, [question(region, data_class=data_class) for region in regions])
        assert told == [Answer(v.allowed, v.rules) for v in map(decision.verdict, regions)]


def test_a_new_list_tells_which_requests_ran_on_a_provider_that_is_listed_now(archive):
    later = confirmed_lists()
    cooling = {"entity": "cooling-sa", "name": "Cooling SA", "confidence": "reported"}
    later["lists"][0]["entities"].append(cooling)

    assert replay(archive, [question()]) == [Answer(True, ("permit",))]
    assert replay(replace(archive, lists=encode(later)), [question()]) == [Answer(False, ("lists-clear",))]


def test_each_question_is_asked_on_its_own_day(archive):
    asked = [question(day=days(date(2027, 1, 31))), question(day=days(date(2027, 2, 1)))]

    assert [answer.allowed for answer in replay(archive, asked)] == [True, False]


@pytest.mark.parametrize("day", [days(date(2026, 11, 20)), days(date(2027, 11, 22)), -1, 10**9])
def test_a_day_outside_the_documents_own_days_is_denied(archive, day):
    (answer,) = replay(archive, [question(day=day)])

    assert not answer.allowed
    assert "facts-current" in answer.rules


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (question("aws/moon-1"), "unknown_region"),
        (question(data_class="secret"), "unknown_class"),
        (question(purpose="fun"), "unknown_purpose"),
    ],
)
def test_a_question_about_something_unknown_is_denied_by_name(archive, asked, rule):
    assert replay(archive, [asked]) == [Answer(False, (rule,))]


def test_the_answers_come_in_the_order_of_the_questions(archive):
    asked = [question(), question("aws/moon-1"), question(subject_region="US"), question()]

    assert [answer.allowed for answer in replay(archive, asked)] == [True, False, False, True]


def test_an_archived_policy_may_lack_a_rule_that_came_later(archive):
    permit, rest = POLICY.rules.split(";", 1)
    condition = "when { !resource.provider.lists.containsAny(principal.forbidden_lists) }"
    rules = "".join(part for part in rest.split("\n\n") if '@id("lists-clear")' not in part)
    older = Policy(POLICY.schema, f"{permit.replace(condition, '')};\n{rules}")

    assert replay(replace(archive, policy=older.canonical), [question()]) == [Answer(True, ("permit",))]


@pytest.mark.parametrize("part", ["policy", "catalogue", "lists", "constraints"])
def test_a_document_that_is_something_else_is_malformed(archive, part):
    with pytest.raises(Malformed):
        replay(replace(archive, **{part: b"{}"}), [question()])


def test_documents_are_found_by_digest_and_compared_with_it(archive, tmp_path):
    parts = (archive.policy, archive.catalogue, archive.lists, archive.constraints)
    for part in parts:
        digest = sha256(part)
        (tmp_path / "sha256" / digest[:2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sha256" / digest[:2] / digest[2:]).write_bytes(part)
    grounds = Grounds(*map(sha256, parts))
    asked = {"data_class": "personal", "purpose": "generation", "subject_region": "EU", "region": "r", "day": 1}
    named = dict(zip(("pol", "cat", "lst", "con"), map(sha256, parts), strict=True))

    assert read_record(json.dumps({**named, **asked}).encode())[0] == grounds
    assert read_archive(tmp_path, grounds) == archive

    (tmp_path / "sha256" / grounds.con[:2] / grounds.con[2:]).write_bytes(b"{}")
    with pytest.raises(Malformed, match="changed after the decision"):
        read_archive(tmp_path, grounds)
    with pytest.raises(Refused, match="is not in"):
        read_archive(tmp_path / "elsewhere", grounds)
