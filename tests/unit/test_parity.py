"""What a row of the engine says of itself."""

from __future__ import annotations

import pytest

from model.checkpoint import load
from model.parity import LIMIT, MISSING, Parity, _on_vllm


@pytest.mark.parametrize(
    ("difference", "identical", "passed", "told"),
    [
        (None, None, None, MISSING),
        (None, True, True, "identical"),
        (None, False, False, "codes DIFFER"),
        (LIMIT / 2, True, True, "identical; logits 5.0e-05 apart"),
        (LIMIT, True, False, "identical; logits 1.0e-04 apart"),
        (LIMIT / 2, False, False, "codes DIFFER; logits 5.0e-05 apart"),
    ],
)
def test_a_row_says_what_was_found_and_whether_that_is_the_promise(difference, identical, passed, told):
    row = Parity(what="this = that", difference=difference, identical=identical)

    assert (row.passed, row.told) == (passed, told)


def test_without_vllm_its_rows_are_named_and_say_what_to_do(monkeypatch):
    monkeypatch.setattr("model.parity.installed", lambda _: False)

    rows = list(_on_vllm(load(), []))

    assert [row.what for row in rows] == ["vLLM = reference", "TP 2 = TP 1"]
    assert all("make setup-engine" in row.told for row in rows)
