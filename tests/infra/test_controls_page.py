"""The auditor's page says what the programs say, in this version of them."""

from __future__ import annotations

import pytest

from infra.controls_page import STACKS, page
from tests.infra.plans import ROOT, plan


@pytest.mark.slow
def test_the_page_of_controls_is_what_the_programs_export() -> None:
    said = {cloud: plan(stack).outputs["controls"] for cloud, stack in STACKS.items()}

    assert (ROOT / "docs" / "infra" / "controls.md").read_text() == page(said)


def test_a_control_that_nobody_asks_for_is_not_left_out_in_silence() -> None:
    with pytest.raises(KeyError, match=r"key\.quantum"):
        page({"AWS": {"key.quantum": {"state": "absent", "grade": "declared", "note": "No."}}})
