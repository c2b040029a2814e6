"""The organisation's guards: what they say, where they may be put, and that their program runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import policies
from infra.errors import Impossible, Refused
from infra.org import documents
from infra.org.border import Border
from policies.catalogue import Catalogue
from tests.infra.plans import PYTHON, ROOT

CATALOGUE = Catalogue.parse(Path(policies.__file__).with_name("data").joinpath("catalogue.json").read_bytes())
GOOD: dict[str, Any] = {
    "provider": "aws",
    "jurisdiction": "EU",
    "regions": ["eu-north-1", "eu-central-1"],
    "target": "ou-abcd-11111111",
}


def test_a_guard_over_regions_of_its_jurisdiction_is_read_as_it_stands() -> None:
    assert Border.parse(GOOD, CATALOGUE).regions == ("eu-north-1", "eu-central-1")


def test_a_region_of_another_jurisdiction_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Impossible, match=r"aws/eu-west-2 lies in UK, not in EU. There are .*eu-north-1"):
        Border.parse({**GOOD, "regions": ["eu-north-1", "eu-west-2"]}, CATALOGUE)


@pytest.mark.parametrize("provider", ["ovh", "scaleway", "local"])
def test_a_cloud_without_such_a_guard_says_so_and_what_is_left_to_do(provider: str) -> None:
    with pytest.raises(Impossible, match=r"has no organisation guard\. .{30}"):
        Border.parse({**GOOD, "provider": provider}, CATALOGUE)


def test_a_field_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="equerry:border, exempt"):
        Border.parse({**GOOD, "exempt": "me"}, CATALOGUE)


def test_aws_denies_every_other_region_to_all_but_services_without_one() -> None:
    first, *_ = json.loads(documents.aws(["eu-north-1"]))["Statement"]

    assert first["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": ["eu-north-1"]}}
    assert (first["Effect"], first["Resource"]) == ("Deny", "*")
    assert not {"cloudfront:*", "globalaccelerator:*", "s3:*", "ec2:*", "kms:*"} & set(first["NotAction"])


def test_a_service_control_policy_for_eight_regions_fits_in_what_aws_takes() -> None:
    assert len(documents.aws([f"eu-central-{number}" for number in range(8)])) <= 5120


def test_google_allows_locations_by_the_groups_of_the_regions_alone() -> None:
    rule = documents.gcp(["asia-northeast1"])["gcp.resourceLocations"]["rules"]

    assert rule == [{"values": {"allowedValues": ["in:asia-northeast1-locations"]}}]


def test_azure_holds_resource_groups_as_well_as_what_is_in_them() -> None:
    assigned = documents.azure(["swedencentral"])

    assert {one["id"] for one in assigned.values()} == {
        "e56962a6-4747-49cd-b67b-bf8b01975c4c",
        "e765b5de-1225-4ba3-bd56-1ac6695af988",
    }


_PLAN = """
import json, sys
from datetime import date
from infra.plan import engine
home = engine.HOME / "org"
plan = engine.plan(sys.argv[1], engine.config(sys.argv[1], home), date(2026, 11, 21), home, 280.0)
print(json.dumps([[one.type, one.protect, dict(one.inputs)] for one in plan.resources if one.custom]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "guards"),
    [
        ("aws-eu", {"aws:organizations/policy:Policy": 1, "aws:organizations/policyAttachment:PolicyAttachment": 1}),
        ("gcp-jp", {"gcp:orgpolicy/policy:Policy": 7}),
        ("azure-eu", {"azure-native:authorization:PolicyAssignment": 2}),
        (
            "alicloud-eu",
            {
                "alicloud:resourcemanager/controlPolicy:ControlPolicy": 1,
                "alicloud:resourcemanager/controlPolicyAttachment:ControlPolicyAttachment": 1,
            },
        ),
    ],
)
def test_the_program_makes_protected_guards_and_nothing_else(stack: str, guards: dict[str, int]) -> None:
    if not PYTHON.exists():
        pytest.skip("infra/.venv is missing; `make setup-infra` builds it")

    ended = subprocess.run(
        [str(PYTHON), "-c", _PLAN, stack], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    made = [row for row in json.loads(ended.stdout) if not row[0].startswith("pulumi:")]
    assert {kind: sum(row[0] == kind for row in made) for kind in {row[0] for row in made}} == guards
    assert all(protect for _, protect, _ in made)
