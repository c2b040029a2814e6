"""Plans of the real programs, and verdicts of the real policy pack, from the room's own interpreter."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.plan.resources import Plan, Resource

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "infra" / ".venv" / "bin" / "python"
DAY = "2026-11-21"  # on which the catalogue that lies in this repository holds
PATIENCE = 300  # seconds; a plan takes five to fifteen

#: One stack of each cloud, on which the guard is tried; the rules are the same in all regions.
CLOUDS = (
    "alicloud-eu-central-1",
    "aws-eu-north-1",
    "azure-swedencentral",
    "gcp-europe-west4",
    "local-eu",
    "ovh-gra",
    "scaleway-fr-par",
)


def stacks() -> tuple[str, ...]:
    """All stacks that have a file."""
    return tuple(sorted(path.name[7:-5] for path in (ROOT / "infra").glob("Pulumi.*.yaml")))


@cache
def planned(stack: str) -> tuple[Plan, float]:
    """The plan of a stack, made once in a session, and the seconds of processor time that it took."""
    before = _spent()
    made = Plan.from_json(json.loads(_run(["infra.plan", stack, "--json", "--day", DAY, "--patience", "120"])))
    return made, _spent() - before


def plan(stack: str) -> Plan:
    """The plan of a stack; made once in a session."""
    return planned(stack)[0]


def _spent() -> float:
    """Seconds of processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judge(base: Plan, previewed: bool = False) -> list[dict[str, str]]:
    """What the pack says of a plan."""
    return _judged({"plan": base.as_json(), "previewed": previewed})[0]


def judge_variants(
    base: Plan, variants: Sequence[tuple[Sequence[Resource], Sequence[str]]]
) -> list[list[dict[str, str]]]:
    """What the pack says of each variant: resources that are otherwise, and urns that are gone."""
    rows = [{"changed": [asdict(one) for one in changed], "gone": list(gone)} for changed, gone in variants]
    return _judged({"plan": base.as_json(), "variants": rows})


def ask(module: str, asked: Mapping[str, Any]) -> Any:
    """What a module answers in the room's own interpreter, JSON in and JSON out."""
    return json.loads(_run([module], json.dumps(asked)))


def _judged(asked: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    found: list[list[dict[str, str]]] = ask("infra.guard.judge", asked)
    return found


def _run(module: Sequence[str], given: str = "") -> str:
    if not PYTHON.exists():
        pytest.skip("infra/.venv is missing; `make setup-infra` builds it")
    ended = subprocess.run(
        [str(PYTHON), "-m", *module],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout
