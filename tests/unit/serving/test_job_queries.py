"""The file of named queries, and how it is read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from serving.jobs.job import MOVES
from serving.jobs.sql.queries import parse, queries

SOURCE = """
-- words
-- :part pair
a,
b

-- :name pick
SELECT {pair} FROM t
  FOR UPDATE --@postgresql
  -- why
-- :name all
SELECT {wide}
-- :part wide
{pair}, c
"""


def test_parts_are_taken_in_wherever_they_stand():
    assert parse(SOURCE, "sqlite")["all"] == "SELECT a,\nb, c"


def test_a_line_for_one_database_is_left_out_for_the_other():
    assert parse(SOURCE, "sqlite")["pick"] == "SELECT a,\nb FROM t\n  -- why"
    assert "FOR UPDATE" in parse(SOURCE, "postgresql")["pick"]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_no_query_writes_to_the_events(dialect):
    writes = re.compile(r"(INTO|UPDATE|DELETE FROM) job_events")

    assert [name for name, clause in queries(dialect).items() if writes.search(str(clause))] == []


CLIENTS = ["recent", "submitted", "get", "anchor", "list_newest", "list_oldest", "count", "ahead", "cancel_queued"]
CLIENTS += ["cancel_running", "delete", "history", "artefact"]


@pytest.mark.parametrize("name", CLIENTS)
def test_what_a_client_reaches_names_the_tenant(name):
    assert "tenant = :tenant" in str(queries("sqlite")[name])


@pytest.mark.parametrize("name", ["renew", "plan", "reach", "note", "complete", "fail", "hand_back", "stop"])
def test_what_a_studio_writes_names_the_fence(name):
    assert "id = :id AND fence = :fence AND state = 'running'" in str(queries("sqlite")[name])


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_database_knows_the_same_moves(dialect):
    sql = (files("serving.jobs.sql.migrations") / f"v0001_pre.{dialect}.sql").read_text(encoding="utf-8")
    listed = sql.partition("INSERT INTO moves")[2].partition(";")[0]

    assert set(re.findall(r"\('(\w+)', '(\w+)'\)", listed)) == {(o, t) for o, ts in MOVES.items() for t in ts}
