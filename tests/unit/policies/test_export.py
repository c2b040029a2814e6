"""Exports say what the log says, and evidence is checked by others without us."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.canonical import encode as canonical
from policies.canonical import sha256
from policies.errors import Malformed, Refused
from policies.log import entry as entries
from policies.log.evidence import pack
from policies.log.export import FORMATS, lines
from policies.log.proof import Proof, entry_at, prove
from policies.log.reader import Log, open_source
from policies.log.trust import parse_trust
from policies.log.verify import verify
from tests.unit.policies import residency as cell

LINES = cell.written(cell.story(100))
LONG = cell.written(cell.story(400))


@pytest.fixture
def log(tmp_path) -> Log:
    return Log(open_source(cell.lay(tmp_path / "log", LINES, heads=[100])))


def exported(log: Log, form: str) -> list[str]:
    return list(FORMATS[form](lines(log), cell.ORIGIN))


def test_json_lines_hold_every_entry_with_its_index_and_leaf(log):
    told = [json.loads(line) for line in exported(log, "jsonl")]

    assert [canonical(one["entry"]) for one in told] == LINES
    assert [(one["index"], one["leaf"]) for one in told] == [
        (index, sha256(b"\0" + line)) for index, line in enumerate(LINES)
    ]


def test_csv_has_one_row_an_entry_and_a_column_for_each_field(log):
    rows = list(csv.DictReader(exported(log, "csv")))

    assert len(rows) == len(LINES)
    assert (rows[1]["t"], rows[1]["where.jur"], rows[1]["cand.denied.jurisdiction_allowed"]) == (
        "route.decision",
        "EU",
        "78",
    )
    assert rows[1]["time"] == "2026-11-21T16:00:01.000Z"
    for row, line in zip(rows, LINES, strict=True):
        assert {name: str(value) for name, value in json.loads(line).items() if isinstance(value, int | str)} == {
            name: row[name].capitalize() if name == "vis" and row[name] else row[name]
            for name, value in json.loads(line).items()
            if isinstance(value, int | str)
        }


def test_ocsf_events_are_api_activity_and_keep_what_ocsf_has_no_place_for(log):
    told = [json.loads(line) for line in exported(log, "ocsf")]

    assert {(one["class_uid"], one["category_uid"], one["type_uid"]) for one in told} == {(6003, 6, 600399)}
    assert [canonical(one["unmapped"]["entry"]) for one in told] == LINES
    denied = [one for one in told if one["unmapped"]["entry"].get("dec") == "deny"]
    assert {(one["status"], one["status_id"]) for one in denied} == {("Failure", 2)}
    assert all({"actor", "api", "src_endpoint", "metadata", "cloud", "time"} <= set(one) for one in told)


def test_dora_rows_sum_requests_by_place_and_class(log):
    header, *rows = csv.reader(exported(log, "dora"))

    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {
            "log": cell.ORIGIN, "provider": "aws", "country": "DE", "jurisdiction": "EU", "owner_jurisdiction": "US",
            "region": "aws/eu-central-1", "function": "generation", "data_class": "personal",
            "first_used": "2026-11-21", "last_used": "2026-11-21", "requests": "75", "change_notices": "",
        }
    ]  # fmt: skip


def test_an_entry_that_fails_lint_is_not_exported(tmp_path):
    log = Log(open_source(cell.lay(tmp_path / "log", [*LINES[:3], b'{"t":"pad","note":"Taro"}'])))

    with pytest.raises(Malformed):
        exported(log, "jsonl")


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 700, len(LONG) - 1])
def test_a_proof_leads_from_its_entry_to_the_head_and_from_no_other(tmp_path, index):
    log = Log(open_source(cell.lay(tmp_path / "log", LONG)))

    made = prove(log, index)

    assert Proof.parse(bytes(made)) == made
    assert made.proves(entry_at(log, index))
    assert not made.proves(LONG[index - 1])
    assert bytes(made).startswith(b"c2sp.org/tlog-proof@v1\nindex %d\n" % index)


@pytest.mark.parametrize("index", [-1, len(LINES), 10**9])
def test_an_index_that_is_not_there_is_refused(log, index):
    with pytest.raises(Refused, match="There is no entry"):
        prove(log, index)


@settings(max_examples=100)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 200))
def test_any_bytes_are_a_proof_or_malformed(junk, low, high):
    good = b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 3\n" + b"\n" + cell.head([bytes(32)] * 4)

    for data in (junk, good[:low] + junk + good[high:]):
        try:
            Proof.parse(data)
        except Malformed:
            continue


@pytest.fixture(scope="module")
def evidence(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    pack(Log(open_source(cell.lay(folder / "log", LINES, heads=[100]))), cell.TRUST.encode(), folder / "evidence.zip")
    return folder / "evidence.zip"


def test_the_same_log_gives_the_same_evidence_and_it_verifies(evidence, log, tmp_path):
    pack(log, cell.TRUST.encode(), tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == evidence.read_bytes()
    report = verify(evidence, parse_trust(cell.TRUST))
    assert (report.findings, report.size, report.heads) == ([], len(LINES), 1)


@pytest.fixture
def unpacked(evidence, tmp_path) -> Path:
    with zipfile.ZipFile(evidence) as archive:
        archive.extractall(tmp_path / "evidence")
    return tmp_path / "evidence"


def by_shell(folder: Path, *trust: Path, shell: str = "sh"):
    """What verify.sh says, with nothing of ours on the path and from another folder."""
    return subprocess.run(
        [shell, str(folder / "verify.sh"), *map(str, trust)],
        capture_output=True, text=True, check=False, cwd="/", env={"PATH": "/usr/bin:/bin"}, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("shell", [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)])
def test_openssl_and_sha256sum_accept_the_evidence(unpacked, tmp_path, shell):
    (tmp_path / "mine").write_text(cell.TRUST)
    done = by_shell(unpacked, tmp_path / "mine", shell=shell)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(LINES)} entries give the root" in done.stdout
    assert "the quorum some vouched" in done.stdout


def entry_and_sums(folder: Path) -> None:
    path = folder / f"tile/entries/000.p/{len(LINES)}"
    path.write_bytes(path.read_bytes().replace(b"eu-central-1", b"eu-central-2", 1))
    sums(folder)


def head_and_sums(folder: Path) -> None:
    (folder / "checkpoint").write_bytes(cell.head([], by=cell.signer(cell.ORIGIN, seed=1)))
    sums(folder)


def witness_and_sums(folder: Path) -> None:
    text = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text("".join(text.splitlines(keepends=True)[:-1]))
    sums(folder)


def object_and_sums(folder: Path) -> None:
    path = next((folder / "objects").rglob("*/??*"))
    next(p for p in (folder / "objects").rglob("*") if p.is_file()).write_text("{}")
    assert path.exists()
    sums(folder)


def one_byte(folder: Path) -> None:
    path = folder / f"tile/0/000.p/{len(LINES)}"
    path.write_bytes(b"x" + path.read_bytes()[1:])


def one_file_more(folder: Path) -> None:
    (folder / "note.txt").write_text("trust me")


def sums(folder: Path) -> None:
    """Make SHA256SUMS agree again, as whoever tampers would."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    text = "".join(f"{sha256(path.read_bytes())}  {path.relative_to(folder)}\n" for path in files)
    (folder / "SHA256SUMS").write_text(text)


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (entry_and_sums, "do not give the root"),
        (head_and_sums, "the head states 0 entries"),
        (witness_and_sums, "the quorum some did not vouch"),
        (object_and_sums, "a document is not what its name says"),
        (one_byte, "a file is not as SHA256SUMS says"),
        (one_file_more, "does not list"),
    ],
)
def test_openssl_and_sha256sum_refuse_evidence_that_was_changed(unpacked, tamper, words):
    tamper(unpacked)

    done = by_shell(unpacked)

    assert done.returncode == 1
    assert words in done.stdout


def test_a_trust_policy_of_one_s_own_decides(unpacked, tmp_path):
    stranger = cell.signer(cell.ORIGIN, seed=1)
    (tmp_path / "mine").write_text(f"log {stranger.vkey}\nquorum none\n")

    done = by_shell(unpacked, tmp_path / "mine")

    assert (done.returncode, "no trusted log" in done.stdout) == (1, True)


def test_a_pruned_log_gives_no_evidence_that_could_not_be_checked(tmp_path):
    folder = cell.lay(tmp_path / "log", LONG)
    (folder / "minimum").write_bytes(b"256\n")

    with pytest.raises(Refused, match="pruned"):
        pack(Log(open_source(folder)), cell.TRUST.encode(), tmp_path / "evidence.zip")


def test_exports_of_a_pruned_log_begin_where_its_entries_do(tmp_path):
    folder = cell.lay(tmp_path / "log", LONG)
    (folder / "minimum").write_bytes(b"256\n")
    (folder / "tile/entries/000").unlink()

    told = [json.loads(line)["index"] for line in exported(Log(open_source(folder)), "jsonl")]

    assert told == list(range(256, len(LONG)))


def test_a_change_of_the_catalogue_is_named_in_dora_rows(tmp_path):
    told = entries.CatalogueActivated(new=cell.hexes("cat"), by=())
    log = Log(open_source(cell.lay(tmp_path / "log", cell.written([told, cell.decision(1)]))))

    assert exported(log, "dora")[1].endswith(",2026-11-21")
