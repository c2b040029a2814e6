"""What tests in clusters install is a cell too, and is said not to have run where it cannot."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests.charts.rendering import CHART, check, merged, render, values
from tests.kind.world import EU, JP, ROOT, Region, overlay


@pytest.mark.parametrize("region", [EU, JP], ids=lambda region: region.cell)
def test_each_region_s_values_make_a_cell(region: Region) -> None:
    objects = render(merged(values(CHART / "values-kind.yaml"), overlay(region)))

    check(objects, "1.31")


def test_the_two_regions_share_nothing_but_the_image() -> None:
    assert EU.port != JP.port
    first, second = (set(yaml.safe_dump(overlay(region)).split()) for region in (EU, JP))
    assert not [word for word in first & second if "kin" in word or "://" in word]


@pytest.mark.parametrize(("required", "code"), [("", 0), ("required", 1)])
def test_where_tools_are_missing_the_script_says_that_nothing_was_tested(required: str, code: int, tmp_path) -> None:
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "EQUERRY_KIND": required, "HOME": os.environ["HOME"]}
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    done = subprocess.run(
        [ROOT / "tests" / "kind" / "run"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == code
    assert done.stderr.startswith("SKIPPED, nothing was tested: ")
