"""`equerry audit …` does what it says, for a person and for a script."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from policies.log.entry import ShardOpened
from policies.log.proof import Proof
from tests.unit.policies import residency as cell

LINES = cell.written(cell.story(40))


@pytest.fixture
def audit(capfd):
    """Runs `equerry audit …` in this process: exit code, standard output, standard error."""
    from equerry import main

    def run(*arguments: object):
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["audit", *map(str, arguments)])
        return (left.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def log(tmp_path) -> Path:
    return cell.lay(tmp_path / "log", LINES, heads=[50])


@pytest.fixture
def trust(tmp_path) -> Path:
    (tmp_path / "trust.policy").write_text(cell.TRUST)
    return tmp_path / "trust.policy"


def test_a_log_that_holds_ends_with_0(audit, log, trust):
    code, out, err = audit("verify", log, "--trust", trust)

    assert (code, err) == (0, "")
    assert "All of it holds." in out
    assert "40 requests, 1 earlier heads continued" in out


def test_a_log_that_does_not_hold_ends_with_1_and_says_what(audit, log, trust):
    (log / "tile/entries/000.p/102").unlink()

    code, out, _ = audit("verify", log, "--trust", trust)

    assert code == 1
    assert "bundle.missing" in out
    assert "It does not hold." in out


def test_a_script_reads_findings_as_json(audit, log, trust):
    (log / "tile/0/000.p/102").write_bytes(bytes(32 * 102))

    code, out, err = audit("verify", log, "--trust", trust, "--json")

    told = json.loads(out)
    assert (code, err, told["holds"], told["codes"]) == (1, "", False, {"entry.changed": 102})
    assert len(told["findings"]) == 100
    assert set(told["findings"][0]) == {"code", "place", "words", "index"}


def test_an_earlier_head_must_be_continued(audit, log, trust, tmp_path):
    kept = (log / "checkpoint").read_bytes()
    (tmp_path / "head").write_bytes(kept)
    shorter = cell.lay(tmp_path / "shorter", LINES[:60])

    assert audit("verify", log, "--trust", trust, "--since", tmp_path / "head")[0] == 0
    code, out, _ = audit("verify", shorter, "--trust", trust, "--since", tmp_path / "head")
    assert (code, "head.forked" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify", "nowhere", "--trust", "trust.policy"), "There is no folder or zip"),
        (("verify", "log", "--trust", "nowhere"), "cannot be read"),
        (("verify", "log", "--trust", "junk"), "trust policy"),
        (("verify", "junk", "--trust", "trust.policy"), "not a zip archive"),
        (
            ("verify", "log", "--trust", "trust.policy", "--since", "junk"),
            "The earlier head cannot be used: A signed note",
        ),
        (("verify", "log", "--trust", "trust.policy", "--new-list", "junk"), "not JSON"),
        (("export", "log", "--format", "xml"), "Use jsonl, csv, ocsf, dora or evidence"),
        (("export", "log", "--format", "evidence"), "--trust FILE"),
        (("export", "log", "--out", "nowhere/x"), "cannot be written"),
        (("proof", "log", "102"), "There is no entry"),
        (("show", "log", "102"), "There is no entry 102"),
        (("show", "log", "--request", "anna"), "32 hexadecimal digits"),
        (("show", "log", "--request", "r-" + "0" * 32), "No entry of this log"),
    ],
)
def test_input_that_cannot_be_used_ends_with_2_and_one_sentence(
    audit, log, trust, tmp_path, monkeypatch, arguments, words
):
    (tmp_path / "junk").write_bytes(b"junk\n")
    monkeypatch.chdir(tmp_path)

    code, out, err = audit(*arguments)

    assert (code, out) == (2, "")
    assert err.startswith("equerry: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "The entries 0 to 101 are missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "The entries 0 to 101 cannot be read"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b'"allow"', b'"allaw"', 1)),
            "is damaged: An entry of",
        ),
    ],
)
def test_nothing_is_exported_from_a_damaged_log_and_the_place_is_said(audit, log, damage, words):
    damage(log / "tile/entries/000.p/102")

    code, _, err = audit("export", log)

    assert (code, err.count("\n")) == (2, 1)
    assert words in err


def test_a_head_that_was_cut_off_is_named(audit, log, trust):
    head = log / "checkpoint"
    head.write_bytes(head.read_bytes()[:30])

    for command in (("verify", "--trust", trust), ("lint",), ("export",), ("show",)):
        code, out, err = audit(command[0], log, *command[1:])
        assert (code, out) == (2, "")
        assert err.startswith("equerry: checkpoint is no head of a log: ")


def test_lint_alone_names_the_entry_and_never_repeats_it(audit, tmp_path):
    secret = LINES[1].replace(b'"EU"', b'"Taro Yamada"', 1)
    folder = cell.lay(tmp_path / "log", [LINES[0], secret, LINES[2]])

    code, out, err = audit("lint", folder)

    assert (code, "entry 1" in out, "1 that the schema does not allow" in out) == (1, True, True)
    assert "Taro" not in out + err
    assert audit("lint", cell.lay(tmp_path / "good", LINES))[0] == 0


def test_a_proof_is_written_and_proves(audit, log, tmp_path):
    code, _, _ = audit("proof", log, 7, "--out", tmp_path / "7.tlog-proof")

    assert code == 0
    assert Proof.parse((tmp_path / "7.tlog-proof").read_bytes()).proves(LINES[7])


@pytest.mark.parametrize("form", ["jsonl", "csv", "ocsf", "dora"])
def test_an_export_goes_to_a_file_or_to_standard_output(audit, log, tmp_path, form):
    _, out, _ = audit("export", log, "--format", form)
    audit("export", log, "--format", form, "--out", tmp_path / "out")

    assert out.splitlines() == (tmp_path / "out").read_text().splitlines() != []


def test_evidence_is_verified_by_us_and_by_its_own_script(audit, log, trust, tmp_path):
    code, _, _ = audit("export", log, "--format", "evidence", "--trust", trust, "--out", tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "e.zip") as archive:
        archive.extractall(tmp_path / "e")

    assert code == 0
    assert audit("verify", tmp_path / "e.zip", "--trust", trust)[0] == 0
    assert subprocess.run(["sh", tmp_path / "e/verify.sh", trust], check=False, capture_output=True).returncode == 0
    assert audit("export", log, "--format", "evidence", "--trust", trust, "--out", tmp_path / "e.zip")[0] == 2


def test_what_happened_to_a_request_is_shown(audit, log):
    code, out, _ = audit("show", log, "--request", cell.request(1), "--json")

    assert code == 0
    assert [entry["t"] for entry in json.loads(out)] == ["route.decision", "route.execution", "output.marked"]


def test_the_head_and_an_entry_are_shown_for_a_person(audit, log):
    assert "102 entries" in audit("show", log)[1]
    assert ShardOpened.KIND in audit("show", log, 0)[1]
    assert json.loads(audit("show", log, "--json")[1])["size"] == 102


@pytest.mark.parametrize("command", ["verify", "lint", "proof", "export", "show"])
def test_help_says_what_a_command_is_for(audit, command):
    code, out, _ = audit(command, "--help")

    assert (code, "DIR|ZIP" in out) == (0, True)


def test_the_command_answers_as_a_program_too(log, trust):
    command = [sys.executable, "-m", "equerry", "audit", "verify", log, "--trust", trust, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, json.loads(done.stdout)["holds"]) == (0, True)
