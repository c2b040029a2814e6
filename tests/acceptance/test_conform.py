"""The whole kit over two real cells: what it finds is nothing, and what is planted it finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policies.log.proof import Proof
from serving.conform.wires import absent

pytestmark = pytest.mark.slow

ALWAYS = {
    "asks.answered", "asks.wrong-cell", "errors.eu-par", "errors.jp-tyo", "search.eu-par-in-jp-tyo",
    "search.jp-tyo-in-eu-par", "search.own-eu-par", "search.own-jp-tyo", "loss.jp-tyo", "plants", "log.eu-par",
    "log.jp-tyo",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("conform")
    command = [sys.executable, "-m", "serving.conform", "--quick", "--report", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.returncode in (0, 1), done.stderr[-4_000:]
    return json.loads(done.stdout), folder


def verdicts(told: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in told["checks"]}


def test_nothing_fails(run):
    told, _ = run

    assert [check for check in told["checks"] if check["verdict"] == "failed"] == []
    assert told["holds"]


def test_every_check_that_needs_no_network_of_its_own_was_made(run):
    told, _ = run

    assert {name: verdicts(told).get(name) for name in ALWAYS} == dict.fromkeys(ALWAYS, "passed")


def test_the_wire_was_watched_where_that_is_possible_and_else_the_report_says_why_not(run):
    told, _ = run
    wire = next(check for check in told["checks"] if check["name"] == "wire")

    if absent():
        assert (wire["verdict"], absent() in wire["words"]) == ("skipped", True)
    else:
        assert (wire["verdict"], wire["figures"]["packets_between"]) == ("passed", 0)
        assert wire["figures"]["frames_seen"] > 1_000


def test_leaks_of_at_least_three_kinds_were_planted_and_found(run):
    told, _ = run
    plants = next(check for check in told["checks"] if check["name"] == "plants")

    assert plants["figures"]["planted"] >= 3
    assert plants["words"].startswith("Found: ")


def test_doors_close_when_something_is_taken_away(run):
    told, _ = run
    robbed = {name: verdict for name, verdict in verdicts(told).items() if name.startswith("deprived.")}

    assert len(robbed) == 6
    assert set(robbed.values()) == {"passed"}


def test_an_auditor_can_check_the_proof_of_each_log_from_the_report_alone(run):
    _, folder = run
    for cell in ("eu-par", "jp-tyo"):
        proof = Proof.parse((folder / f"{cell}.tlog-proof").read_bytes())
        assert proof.proves((folder / f"{cell}.entry.json").read_bytes())
    assert (folder / "report.md").read_text().startswith("# Conformance of eu-par and jp-tyo")
