"""Every decision can be made again from the log alone, and asked again with lists as of now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from policies.atlas import Atlas, LegalLists
from policies.canonical import encode, sha256
from policies.constraints import Constraints, DataClass
from policies.log import entry as entries
from policies.log.entry import Candidates, Decision
from policies.log.lint import schema_digest
from policies.log.trust import parse_trust
from policies.log.verify import Options, Report, verify
from policies.policy import Policy
from policies.tables import Tables
from tests.unit.policies import residency as cell

TRUST = parse_trust(cell.TRUST)
DAY = cell.START // 86_400_000
LISTED = "alibaba/eu-central-1"


def shipped(name: str) -> Any:
    return json.loads((files("policies") / "data" / name).read_bytes())


@dataclass(frozen=True, slots=True)
class World:
    """The shipped documents, a customer, and the tables that a cell decides with."""

    tables: Tables
    documents: Mapping[str, bytes]  # by digest

    def decision(self, number: int, data_class: str = "personal", region: str = cell.REGION) -> Decision:
        """The entry for a decision that the tables make."""
        told = self.tables.decide("t", data_class, day=DAY)
        grounds = cell.Grounds(told.grounds.pol, told.grounds.cat, told.grounds.lst, told.grounds.con)
        cand = Candidates(eligible=len(told.eligible), denied=told.counts)
        place = self.tables.place(region)
        where = entries.Where(
            jur=place.jurisdiction, cc=place.country, prov=place.provider, own=place.ownership or None
        )
        if region in told.eligible:
            return cell.decision(number, grounds, cls=data_class, cand=cand, sel=region, where=where)
        rules = told.verdict(region).rules
        return replace(cell.denial(number, grounds), cls=data_class, cand=cand, rules=rules)


@pytest.fixture(scope="module")
def world() -> World:
    policy = Policy.shipped()
    atlas = Atlas.parse(encode({"v": "equerry.atlas/1", "catalogue": shipped("catalogue.json"), "overlays": []}))
    lists = LegalLists.parse(encode(shipped("lists.json")))
    demands = Constraints(
        home="EU",
        allowed_jurisdictions=frozenset({"EU"}),
        allowed_classes=frozenset({DataClass.PERSONAL, DataClass.PUBLIC}),
    )
    tables = Tables.build(policy, atlas, lists, {"t": demands}, DAY)
    documents = [policy.canonical, atlas.canonical, lists.canonical, demands.canonical()]
    return World(tables, {sha256(document): document for document in documents})


def laid(tmp_path: Path, world: World, *story, without: str = "") -> Path:
    folder = cell.lay(tmp_path / "log", cell.written([entries.ShardOpened(schema=schema_digest()), *story]))
    for digest, document in world.documents.items():
        if digest != without:
            path = folder / "objects/sha256" / digest[:2] / digest[2:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
    return folder


def replayed(folder: Path, **options) -> Report:
    return verify(folder, TRUST, Options(replay=True, **options))


def ran(world, number, **more):
    decision = world.decision(number, **more)
    return decision, cell.execution(number, region=decision.sel), cell.marked(number)


def test_what_the_tables_decided_is_decided_again(tmp_path, world):
    story = (*ran(world, 1), *ran(world, 2, data_class="public"), world.decision(3, data_class="restricted_eu"))

    report = replayed(laid(tmp_path, world, *story))

    assert (report.findings, report.replayed) == ([], 3)
    assert [one.dec for one in story if isinstance(one, Decision)] == ["allow", "allow", "deny"]


def wrong_region(world: World) -> Decision:
    return replace(world.decision(1), sel="aws/ap-northeast-1")


def wrong_class(world: World) -> Decision:
    return replace(world.decision(1), cls="restricted_eu")


def wrong_count(world: World) -> Decision:
    honest = world.decision(1)
    return replace(honest, cand=replace(honest.cand, eligible=honest.cand.eligible + 1))


def wrong_denial(world: World) -> Decision:
    return replace(world.decision(1, data_class="restricted_eu"), cls="personal")


@pytest.mark.parametrize("lie", [wrong_region, wrong_class, wrong_count, wrong_denial], ids=lambda lie: lie.__name__)
def test_a_decision_that_the_archived_policy_does_not_make_is_found(tmp_path, world, lie):
    told = lie(world)
    ends = () if told.dec == "deny" else (cell.execution(1, region=told.sel), cell.marked(1))

    report = replayed(laid(tmp_path, world, told, *ends))

    assert list(report.codes) == ["replay.differs"]


@pytest.mark.parametrize("which", range(4))
def test_a_document_that_is_not_archived_is_missed(tmp_path, world, which):
    digest = list(world.documents)[which]

    report = replayed(laid(tmp_path, world, *ran(world, 1), without=digest))

    assert [(one.code, one.place) for one in report.findings] == [("object.missing", f"object {digest}")]


@pytest.mark.parametrize("which", range(4))
def test_a_document_that_was_changed_is_found(tmp_path, world, which):
    folder, digest = laid(tmp_path, world, *ran(world, 1)), list(world.documents)[which]
    path = folder / "objects/sha256" / digest[:2] / digest[2:]
    path.write_bytes(path.read_bytes().replace(b"EU", b"JP"))

    assert list(replayed(folder).codes) == ["object.differs"]


def test_documents_that_are_no_policy_are_a_finding(tmp_path, world):
    junk = b'{"v":"junk"}'
    told = replace(world.decision(1), pol=sha256(junk))
    world = replace(world, documents={**world.documents, sha256(junk): junk})

    report = replayed(laid(tmp_path, world, told, cell.execution(1), cell.marked(1)))

    assert list(report.codes) == ["object.differs"]


def test_a_region_that_no_catalogue_knows_is_found_without_replay(tmp_path, world):
    told = world.decision(1)
    story = (replace(told, sel="aws/taro-yamada"), cell.execution(1, region="aws/taro-yamada"), cell.marked(1))

    report = verify(laid(tmp_path, world, *story), TRUST)

    assert [(one.code, one.index) for one in report.findings] == [("name.unknown", 1)]


def test_lists_as_of_now_say_which_requests_ran_on_a_provider_that_is_listed(tmp_path, world):
    aws = {"confidence": "reported", "sources": ["s15"], "entity": "amazon-com-inc", "name": "A", "note": ""}
    now = shipped("lists.json")
    now["lists"][0]["entities"].append(aws)
    elsewhere = {2: LISTED, 3: "gcp/europe-west1"}
    moved = [
        (replace(world.decision(n), sel=region), cell.execution(n, region=region), cell.marked(n))
        for n, region in elsewhere.items()
    ]
    story = (*ran(world, 1), *moved[0], *moved[1])
    folder = laid(tmp_path, world, *story)

    then = verify(folder, TRUST, Options(new_list=encode(shipped("lists.json"))))
    later = verify(folder, TRUST, Options(new_list=encode(now)))

    assert [(one.code, one.index) for one in then.findings] == [("listed", 5)]
    assert [(one.code, one.index) for one in later.findings] == [("listed", 2), ("listed", 5)]
    assert cell.request(2) in then.findings[0].words
