"""Every kind of entry is written as the schema says, and in no other way."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import rfc8785

from policies.constraints import DataClass, Evidence, Purpose
from policies.errors import Malformed
from policies.log import entry as entries
from policies.log.entry import KINDS, Candidates, Decision, Entry, Pad, Stamp, encode
from policies.log.lint import schema

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads(schema())
DIGEST, NONCE = "0123456789abcdef" * 4, "0123456789abcdef" * 2
STAMP = Stamp(ts=1_795_276_800_000, id=NONCE, salt=NONCE, w="w-0123456789abcdef", n=7)
WHERE = entries.Where(jur="EU", cc="DE", prov="aws", own="US")
HEAD = entries.Head(origin="op.example/equerry/eu-par/residency/2026h2", size=3, root=DIGEST)
PROOFS = ("p1", "p2", "p3", "p4", "p5", "redundant")
REQ, TEN, REGION = f"r-{NONCE}", "t-0123456789abcdef", "aws/eu-central-1"

DECISION = Decision(
    ten=TEN, req=REQ, cls="personal", pur="generation", sub="EU", dec="allow", rules=("permit",),
    cand=Candidates(eligible=2, denied={"jurisdiction-allowed": 70, "lists-clear": 7}),
    pol=DIGEST, cat=DIGEST, lst=DIGEST, con=DIGEST, sel=REGION, where=WHERE,
)  # fmt: skip
EXAMPLES: tuple[Entry, ...] = (
    DECISION,
    replace(DECISION, dec="deny", rules=("restricted-eu",), sel=None, where=None, subj=DIGEST),
    entries.Execution(
        ten=TEN, req=REQ, region=REGION, evid="attested", att=DIGEST, dec2="allow", ms=8_000, gpu="H100", in_bytes=90,
        out_bytes=1_600_000, egress=DIGEST,
    ),
    entries.Marked(
        ten=TEN, req=REQ, out=DIGEST, c2pa=entries.Manifest(manifest=DIGEST, cert=DIGEST),
        wm=entries.Watermark(alg="equerry", ver=1, pid="0123456789ab"), vis=False,
    ),
    entries.Transfer(ten=TEN, from_="EU", to="JP", basis="adequacy", doc=DIGEST, cls="personal"),
    entries.OperatorAccess(staff="EU", scope="host", why="incident", grant=DIGEST, ms=60_000),
    entries.RequestedAccess(auth="US", basis="cloud-act", outcome="refused", notified=True, minimised=False),
    entries.PolicyActivated(new=DIGEST, by=("0123abcd",), proofs=dict.fromkeys(PROOFS, "proven")),
    entries.CatalogueActivated(old=DIGEST, new=DIGEST, by=("0123abcd", DIGEST), notice=1_795_276_800_000),
    entries.ListActivated(new=DIGEST, by=()),
    entries.ConstraintsChanged(ten=TEN, new=DIGEST, by=("k-0123456789abcdef",)),
    entries.SlaWindow(
        ten=TEN, region=REGION, hour=498_688, count=3, ok=2, hist=(0, 2, 0), rej={"no_compliant_region": 1}
    ),
    entries.Canary(ten=TEN, req=REQ, cls="restricted_eu", region="aws/us-east-1", dec="deny", rules=("restricted-eu",)),
    entries.Gap(gw="w-0123456789abcdef", from_=4, to=9, why="crash"),
    entries.Erased(ten=TEN, key=DIGEST),
    entries.KeyRotated(what="api", old="k-0123456789abcdef", new="k-fedcba9876543210", ten=TEN),
    entries.KeyRotated(what="api", old="k-0123456789abcdef", ten=TEN),
    entries.ShardOpened(schema=DIGEST, prev=HEAD),
    entries.ShardClosed(next="op.example/equerry/eu-par/residency/2027h1"),
    entries.WitnessHead(head=HEAD),
    Pad(),
)  # fmt: skip


def test_there_is_a_type_for_each_kind_of_the_schema_and_an_example_of_each():
    named = {
        SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")]["properties"]["t"]["const"] for part in SCHEMA["oneOf"]
    }

    assert {kind.KIND for kind in KINDS} == named == {type(one).KIND for one in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.KIND)
def test_an_entry_is_canonical_json_that_another_writer_gives_too(example):
    data = encode(example, STAMP)

    assert data == rfc8785.dumps(json.loads(data))
    assert json.loads(data)["t"] == example.KIND


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_a_type_has_the_fields_that_the_schema_has(kind):
    shapes = [
        shape for shape in SCHEMA["$defs"].values() if shape.get("properties", {}).get("t") == {"const": kind.KIND}
    ]
    there = {"v", "t"} | {part.name.rstrip("_") for of in (kind, Stamp) for part in fields(of)}

    assert {name for shape in shapes for name in shape["properties"]} == there


def test_what_is_left_out_stays_out_and_rules_are_keys_without_hyphens():
    said = json.loads(encode(DECISION, STAMP))

    assert "subj" not in said
    assert said["cand"] == {"eligible": 2, "denied": {"jurisdiction_allowed": 70, "lists_clear": 7}}


@pytest.mark.parametrize(
    "wrong",
    [
        replace(DECISION, cls="a red circle bounces"),
        replace(DECISION, sel=None),
        replace(DECISION, dec="deny"),
        replace(DECISION, ten="acme"),
        replace(DECISION, rules=("because",)),
        replace(DECISION, cand=Candidates(eligible=-1)),
        replace(DECISION, sub="Taro Yamada"),
    ],
)
def test_what_the_schema_does_not_allow_is_not_written_and_not_repeated(wrong):
    with pytest.raises(Malformed, match="not as the schema says") as caught:
        encode(wrong, STAMP)

    assert not re.search("circle|acme|because|Taro", str(caught.value))


def test_every_rule_class_purpose_and_grade_of_the_policy_can_be_logged():
    rules = re.findall(r'@id\("([^"]+)"\)', (ROOT / "policies/rules/rules.cedar").read_text(encoding="utf-8"))
    words = {name: set(SCHEMA["$defs"][name]["enum"]) for name in ("rule", "class", "purpose", "grade")}

    assert set(rules) - words["rule"] == set()
    assert (words["class"], words["purpose"], words["grade"]) == (set(DataClass), set(Purpose), set(Evidence))
    assert set(SCHEMA["$defs"]["denied"]["properties"]) == {
        rule.replace("-", "_") for rule in words["rule"] - {"permit"}
    }
