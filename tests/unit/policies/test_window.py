"""Nothing that a person copies is cut off, however narrow the window is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policies.window import print_table

WORDS = st.text(st.sampled_from("abcdef0123456789"), min_size=18, max_size=40)
ROWS = st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4)


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    print_table(Console(file=out, width=width), table)
    return out.getvalue()


def table_of(rows) -> Table:
    table = Table("id", "owner", "what")
    for row in rows:
        table.add_row(*row)
    return table


@given(ROWS, st.integers(60, 200))
def test_every_word_is_whole_in_any_window(rows, width):
    said = printed(table_of(rows), width)

    assert max(map(len, said.splitlines())) <= width
    if width < 100 or width >= 134:  # between them a table wraps its cells
        assert all(word in said for row in rows for word in row)


def test_a_table_that_fits_is_a_table():
    assert printed(table_of([("a", "b", "c")]), 60).splitlines()[1].split() == [
        "┃",
        "id",
        "┃",
        "owner",
        "┃",
        "what",
        "┃",
    ]


def test_a_table_that_does_not_is_a_block_for_each_row_without_what_is_empty():
    rows = [("a" * 30, "b" * 30, ""), ("c", "", "d")]

    assert [line.split() for line in printed(table_of(rows), 60).splitlines()] == [
        ["id", "a" * 30],
        ["owner", "b" * 30],
        [],
        ["id", "c"],
        ["what", "d"],
        [],
    ]


@pytest.mark.parametrize("width", [60, 200])
def test_text_is_not_markup(width):
    table = Table("name", "more")
    table.add_row(Text("[red]Acme[/]"), "x" * 70)

    assert "[red]Acme[/]" in printed(table, width)
