"""The reference page says what values.yaml says."""

from __future__ import annotations

from tests.charts.values_page import PAGE, VALUES, documented, page, undocumented


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(VALUES.read_text("utf-8")), "run python -m tests.charts.values_page"


def test_every_value_is_explained() -> None:
    assert undocumented(VALUES.read_text("utf-8")) == []


def test_a_comment_belongs_to_the_value_below_it() -> None:
    text = "# ## Top\n\na:\n  # -- What b is,\n  # at length.\n  b: 3\n  c: {}\n"

    assert [(one.path, one.section, one.what, one.default) for one in documented(text)] == [
        ("a.b", "Top", "What b is, at length.", 3)
    ]
    assert undocumented(text) == ["a.c"]
