"""A bill, a limit or an erasure is for somebody whom the cell knows."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

import equerry
from serving.jobs.sql.store import open_store

MONTH = ("--month", "2026-11")


@pytest.fixture
def run(capsys):
    """Runs `equerry …`; returns the exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            equerry.main([str(each) for each in arguments])
        return int(left.value.code or 0), *capsys.readouterr()

    return command


@pytest.fixture
def cell(run, tmp_path):
    """The folder of a cell that has run once."""
    run("cell", "init", tmp_path / "eu")
    (tmp_path / "eu/state").mkdir()
    with closing(open_store(f"sqlite:///{tmp_path}/eu/state/jobs.sqlite")):
        return tmp_path / "eu"


@pytest.fixture
def tenant(run, cell):
    demands = ("--home", "EU", "--jurisdiction", "EU", "--class", "personal")
    return json.loads(run("tenant", "add", "Acme", "--cell", cell, *demands, "--json")[1])["id"]


def key_of(run, cell, tenant):
    run("tenant", "key", "add", tenant, "--cell", cell)
    return json.loads(run("tenant", "key", "list", tenant, "--cell", cell, "--json")[1])[0]["id"]


@pytest.mark.parametrize(
    "command",
    [
        ("statement", *MONTH),
        ("cost", *MONTH),
        ("sla-report", *MONTH),
        ("limit", "--open", "2"),
        ("limit",),
        ("erase", "--yes", "--wait", "0"),
    ],
)
@pytest.mark.parametrize(
    ("name", "words"),
    [("t-0000000000000000", "There is no tenant t-0000000000000000"), ("Acme", "The id of a tenant is t- and")],
)
def test_a_tenant_whom_nobody_knows_has_no_bill_no_limit_and_no_erasure(run, cell, command, name, words):
    code, out, err = run("meter", *command, "--tenant", name, "--cell", cell)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert run("meter", "erasures", "--cell", cell)[1] == "No erasure was asked for.\n"


def test_a_limit_of_a_key_is_for_a_key_of_that_tenant(run, cell, tenant):
    key, other = key_of(run, cell, tenant), "k-0000000000000000"

    assert run("meter", "limit", "--tenant", tenant, "--key", key, "--open", 2, "--cell", cell)[0] == 0
    assert "There is no key" in run("meter", "limit", "--tenant", tenant, "--key", other, "--cell", cell)[2]
    assert "The id of a key" in run("meter", "limit", "--tenant", tenant, "--key", "mine", "--cell", cell)[2]


def test_a_closed_tenant_still_has_its_bill(run, cell, tenant):
    run("tenant", "close", tenant, "--cell", cell)

    code, out, _ = run("meter", "statement", "--tenant", tenant, *MONTH, "--cell", cell)

    assert (code, "owes nothing for 2026-11" in out) == (0, True)


def test_a_key_of_another_tenant_is_told_from_ones_own(run, cell, tenant):
    demands = ("--home", "EU", "--jurisdiction", "EU", "--class", "personal", "--cell", cell, "--json")
    other = json.loads(run("tenant", "add", "Beta", *demands)[1])["id"]
    key = key_of(run, cell, other)

    code, _, err = run("meter", "limit", "--tenant", tenant, "--key", key, "--cell", cell)

    assert (code, err) == (
        2,
        f"equerry: {key} is another tenant's key; `equerry tenant key list {tenant}` shows those of {tenant}.\n",
    )
