"""`equerry tenant …` does what it says, for a person and for a script, and never says what it must not."""

from __future__ import annotations

import io
import json
import stat
import sys
from dataclasses import dataclass

import pytest

from equerry import main


@dataclass(frozen=True, slots=True)
class Left:
    """How a command ended, and what it wrote."""

    code: int | str | None
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Runs `equerry tenant …` in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=""):
        capfd.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as left:
            main(["tenant", *map(str, arguments)])
        return Left(left.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def cell(run, tmp_path):
    """A cell in Paris in the default folder."""
    assert run("init", "eu-par").code == 0
    return tmp_path / "cell"


ACME = ("add", "Acme", "--home", "EU", "--jurisdiction", "EU", "--jurisdiction", "JP", "--class", "personal")


@pytest.fixture
def tenant(run, cell):
    return run(*ACME, "--json").json()["id"]


@pytest.fixture
def key(run, tenant):
    return run("key", "add", tenant, "--json").json()


def test_a_tenant_is_added_with_what_binds_it(run, cell):
    wishes = ("--forbid-list", "us-1260h", "--require", "iso27001", "--require-any", "c5,secnumcloud")
    more = ("--forbid-ownership", "US", "--min-seal", "sov1=2", "--min-evidence", "endpoint", "--sla", "priority")

    told = run(*ACME, *wishes, *more, "--json").json()

    assert (told["name"], told["sla"], len(told["digest"])) == ("Acme", "priority", 64)
    found = told["constraints"]
    assert found["home"] == "EU"
    assert found["allowed_jurisdictions"] == ["EU", "JP"]
    assert found["forbidden_lists"] == ["us-1260h"]
    assert found["required_certifications"] == ["iso27001"]
    assert found["required_any"] == [["c5", "secnumcloud"]]
    assert (found["forbidden_ownership"], found["min_evidence"]) == (["US"], "endpoint")
    assert found["min_seal"]["sov1"] == 2
    assert run("show", told["id"], "--json").json() == told
    assert run("list", "--json").json() == [told]


def test_constraints_come_from_a_file_and_options_replace_its_fields(run, cell, tmp_path):
    given = {"home": "EU", "allowed_jurisdictions": ["EU"], "allowed_classes": ["public"], "forbidden_lists": ["a"]}
    (tmp_path / "c.json").write_text(json.dumps(given))

    told = run("add", "Acme", "--constraints", "c.json", "--forbid-list", "b", "--json").json()["constraints"]

    assert (told["allowed_classes"], told["forbidden_lists"]) == (["public"], ["b"])


def test_a_table_shows_tenants_and_keys_and_no_secret(run, tenant, key):
    tenants, keys = run("list").out, run("key", "list").out

    assert all(word in tenants for word in (tenant, "Acme", "standard", "EU JP"))
    assert all(word in keys for word in (key["id"], tenant, "live", "never"))
    assert key["key"][-49:] not in tenants + keys


def test_a_name_is_not_markup(run, cell):
    run("add", "[red]Acme[/]", *ACME[2:])

    assert "[red]Acme[/]" in run("list").out


def test_a_key_alone_goes_to_standard_output_and_opens(run, tenant):
    left = run("key", "add", tenant, "--label", "render-farm", "--expires-in", 30)

    text = left.out.removesuffix("\n")
    assert text.startswith("eqk_eu-par_")
    assert "\n" not in text
    assert text[-49:] not in left.err
    checked = run("key", "check", "--json", stdin=left.out)
    assert (checked.code, checked.json()["state"], checked.json()["label"]) == (0, "live", "render-farm")
    assert text[-49:] not in checked.out


def test_no_file_of_the_cell_holds_a_key(run, cell, key):
    secret = key["key"][-49:-6].encode()

    for file in (cell / "tenants").iterdir():
        assert secret not in file.read_bytes()


def test_a_key_only_narrows(run, tenant):
    refused = run("key", "add", tenant, "--jurisdiction", "US")

    assert (refused.code, refused.out) == (2, "")
    assert "only narrow" in refused.err
    assert "US" in refused.err
    made = run("key", "add", tenant, "--jurisdiction", "JP", "--json").json()
    assert made["wish"] == {"allowed_jurisdictions": ["JP"]}


def test_a_rotated_key_works_for_the_overlap_and_then_not(run, tenant, key):
    new = run("key", "rotate", key["id"], "--overlap", 2, "--json").json()

    assert [run("key", "check", stdin=each["key"]).code for each in (key, new)] == [0, 0]
    old = {each["id"]: each for each in run("key", "list", tenant, "--json").json()}[key["id"]]
    assert (old["successor"], "expires" in old) == (new["id"], True)
    newest = run("key", "rotate", new["id"], "--overlap", 0, "--json").json()
    ended = run("key", "check", "--json", stdin=new["key"])
    assert (ended.code, ended.json()["state"]) == (1, "expired")
    assert run("key", "check", stdin=newest["key"]).code == 0


def test_a_revoked_key_opens_nothing(run, key):
    assert run("key", "revoke", key["id"], "--json").json()["state"] == "revoked"

    checked = run("key", "check", "--json", stdin=key["key"])
    assert (checked.code, checked.json()["state"]) == (1, "revoked")


def test_a_key_of_another_cell_a_slip_and_a_stranger_are_told_apart(run, tenant, key):
    run("init", "jp-tyo", "--cell", "tokyo")
    other = run(*ACME, "--cell", "tokyo", "--json").json()["id"]
    there = run("key", "add", other, "--cell", "tokyo", "--json").json()["key"]
    slip = key["key"][:-1] + ("0" if key["key"][-1] != "0" else "1")

    told = [run("key", "check", "--json", stdin=text).json() for text in (there, slip, "hello", "")]

    assert [each["state"] for each in told] == ["wrong_cell", "mistyped", "malformed", "malformed"]
    assert (told[0]["cell"], told[0]["jurisdiction"]) == ("jp-tyo", "JP")


def test_a_ceiling_is_replaced_as_a_whole_and_keys_follow(run, tenant, key):
    run("constrain", tenant, "--home", "EU", "--jurisdiction", "EU", "--class", "public")

    found = run("show", tenant, "--json").json()["constraints"]
    assert (found["allowed_jurisdictions"], found["allowed_classes"]) == (["EU"], ["public"])


def test_a_tenant_changes_its_class_of_service(run, tenant):
    assert run("sla", tenant, "batch", "--json").json()["sla"] == "batch"


def test_a_closed_tenant_has_no_key_that_opens(run, tenant, key):
    assert "closed" in run("close", tenant, "--json").json()

    assert run("key", "check", "--json", stdin=key["key"]).json()["state"] == "closed"
    assert run("key", "add", tenant).code == 2


def test_the_control_log_hears_of_every_change(run, tenant, key):
    run("key", "revoke", key["id"])

    told = run("notices", "--json").json()

    assert [(each["t"], each["ten"]) for each in told] == [
        ("tenant.constraints", tenant),
        ("key.rotate", tenant),
        ("key.rotate", tenant),
    ]
    assert (told[1]["new"], told[2]["old"]) == (key["id"], key["id"])
    assert "Acme" not in json.dumps(told)
    assert "tenant.constraints" in run("notices").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list",), "equerry tenant init"),
        (("init", "Paris"), "eu-par"),
        (("init", "eu_par"), "eu-par"),
    ],
)
def test_without_a_cell_a_mistake_is_one_sentence(run, arguments, words):
    left = run(*arguments)

    assert (left.code, left.out, left.err.count("\n")) == (2, "", 1)
    assert words in left.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("init", "eu-par"), "there already"),
        (("show", "acme"), "t- and 16"),
        (("show", "t-0000000000000000"), "There is no tenant"),
        (("add", "Acme"), "--home"),
        (("add", "Acme", "--home", "EU", "--class", "personal"), "--jurisdiction"),
        ((*ACME, "--class", "secret"), "allowed_classes"),
        ((*ACME, "--min-seal", "sov9=1"), "sov1=2"),
        ((*ACME, "--min-seal", "sov1=5"), "sov1=2"),
        ((*ACME, "--sla", "gold"), "batch, standard, priority"),
        ((*ACME, "--constraints", "none.json"), "no file"),
        ((*ACME, "--constraints", "."), "cannot be read"),
        (("add", "two\nlines", *ACME[2:]), "one line"),
        (("key", "add", "t-0000000000000000"), "There is no tenant"),
        (("key", "revoke", "k-0000000000000000"), "There is no key"),
        (("key", "revoke", "k-1"), "k- and 16"),
        (("key", "add", "t-0000000000000000", "--label", "Jean Dupont"), "label"),
        (("key", "rotate", "k-0000000000000000", "--overlap", "-1"), "overlap"),
    ],
)
def test_a_mistake_is_refused_with_what_to_do(run, cell, arguments, words):
    left = run(*arguments)

    assert (left.code in {2, 69}, left.out) == (True, "")
    assert words in left.err


def test_a_key_as_an_argument_is_refused_and_not_repeated(run, key):
    left = run("key", "revoke", key["key"])

    assert (left.code, key["key"][-49:] in left.err + left.out) == (2, False)
    assert "by its id" in left.err


def test_a_pepper_that_others_can_read_stops_everything(run, cell):
    pepper = cell / "tenants" / "pepper"
    pepper.chmod(pepper.stat().st_mode | stat.S_IRGRP)

    left = run("list")

    assert (left.code, "chmod 600" in left.err) == (2, True)


def test_a_lost_pepper_and_a_damaged_store_are_named(run, cell):
    (cell / "tenants" / "pepper").rename(cell / "pepper")
    lost = run("list")
    (cell / "tenants" / "store.sqlite").write_bytes(b"nonsense" * 1000)
    damaged = run("list")

    assert (lost.code, "missing" in lost.err) == (70, True)
    assert (damaged.code, "damaged" in damaged.err) == (70, True)


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in ("init", "add", "list", "show", "constrain", "sla", "close", "notices", "key")),
        *(("key", name) for name in ("add", "list", "rotate", "revoke", "check")),
    ],
)
def test_help_explains(run, command):
    left = run(*command, "--help")

    assert left.code == 0
    assert len(left.out) > 200
