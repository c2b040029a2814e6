"""`equerry infra …` as a person uses it: the stacks, and a plan that the guard has nothing against."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from infra.cli import PYTHON, app
from infra.errors import Refused
from tests.infra.plans import ROOT, stacks

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="infra/.venv is missing; `make setup-infra` builds it")


def test_the_stacks_are_listed_with_their_cells_and_doubts():
    left = CliRunner().invoke(app, ["stacks", "--json"])
    rows = {row["stack"]: row for row in json.loads(left.stdout)}

    assert left.exit_code == 0
    assert tuple(sorted(rows)) == stacks()
    assert rows["aws-eu-north-1"]["unconfirmed"] == []
    assert rows["azure-swedencentral"]["unconfirmed"] == ["H100", "location"]


def test_there_is_a_stack_for_each_region_that_was_promised():
    promised = {
        "alicloud-ap-northeast-1",
        "alicloud-eu-central-1",
        "aws-ap-northeast-1",
        "aws-eu-central-1",
        "aws-eu-north-1",
        "azure-japaneast",
        "azure-swedencentral",
        "gcp-asia-northeast1",
        "gcp-europe-west4",
        "scaleway-fr-par",
    }

    assert promised <= set(stacks())
    assert [name for name in stacks() if name.startswith("ovh-")]
    assert [name for name in stacks() if name.startswith("local-")]


@pytest.mark.slow
def test_a_plan_is_shown_as_agreed_and_the_guard_has_nothing_against_it():
    left = CliRunner().invoke(app, ["plan", "scaleway-fr-par"])

    assert (left.exit_code, left.exception) == (0, None)
    assert left.stdout == (ROOT / "tests" / "infra" / "golden" / "scaleway-fr-par.txt").read_text()


def test_a_stack_that_is_not_there_is_refused():
    left = CliRunner().invoke(app, ["plan", "aws-moon-1"])

    assert isinstance(left.exception, Refused)
    assert "There is no stack aws-moon-1" in str(left.exception)
