"""The image is built from what is named, by digest, and says what is in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "charts" / "image"
TEXT = (IMAGE / "Containerfile").read_text("utf-8")


def test_every_stage_begins_from_the_base_that_is_named_by_digest() -> None:
    stages = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)

    assert set(stages) == {"${BASE}"}
    assert "@sha256:[0-9a-f]{64}$" in TEXT


def test_no_step_of_the_build_reaches_a_network() -> None:
    steps = re.findall(r"^RUN (.*?)(?:(?<!\\)\n)", TEXT, re.MULTILINE | re.DOTALL)
    working = [step for step in steps if "pip" in step or "dpkg" in step]

    assert len(working) == 3
    assert all(step.startswith("--network=none") for step in working)
    assert "apt-get" not in TEXT


def test_what_is_copied_is_there_and_let_into_the_context() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE) for word in line.split()[:-1]]
    ignored = (IMAGE / "Containerfile.dockerignore").read_text("utf-8").splitlines()

    assert copied
    for word in copied:
        assert list(ROOT.glob(word)), word
        assert f"!{word}" in ignored, word


def test_the_image_runs_as_nobody_else_can_become() -> None:
    assert re.search(r"^USER 10001:10001$", TEXT, re.MULTILINE)
    assert "chmod a-s" in TEXT


@pytest.mark.parametrize(
    "arguments", [[], ["python:3.11"], ["python:3.11", "equerry:1"], ["python@sha256:12", "equerry:1"]]
)
def test_a_base_without_a_digest_builds_nothing(arguments: list[str]) -> None:
    done = subprocess.run([IMAGE / "build", *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: charts/image/build BASE@sha256:" in done.stderr


def test_the_bill_of_materials_names_everything_and_is_the_same_each_time(tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        subprocess.run([sys.executable, IMAGE / "sbom.py", file], check=True, capture_output=True)
    told = json.loads(files[0].read_text())

    assert files[0].read_bytes() == files[1].read_bytes()
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    names = {part["name"] for part in told["components"]}
    assert {"torch", "cedarpy", "c2pa-python", "equerry"} <= names
    assert all(re.fullmatch(r"[0-9a-f]{64}", part["hashes"][0]["content"]) for part in told["components"])
