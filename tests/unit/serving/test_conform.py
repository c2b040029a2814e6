"""The kit: canaries are found however they are written, frames are told apart, and reports say what happened."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.log.proof import Proof, prove
from policies.log.reader import Log, open_source
from serving.conform import asks_dashscope, asks_native, asks_openai
from serving.conform.canary import Canaries
from serving.conform.capture import Crossing, Told, read_frame
from serving.conform.haystack import Hay, hay_of, search
from serving.conform.outcome import Check, Leak, Verdict, judged, skipped
from serving.conform.report import Evidence, Report, written
from serving.conform.wire import crossed, foreign
from serving.settings import CellSettings
from tests.unit.policies import residency as log_of

STEM = "eqc0123456789ab"


@pytest.fixture
def words():
    return Canaries(STEM)


def found(words, body):
    return list(words.needles().found(body))


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_canary_is_found_wherever_it_stands_and_however_it_is_coded(before, after):
    words = Canaries(STEM)
    word = words.word("openai t2v prompt").encode()
    whole = before + word + after

    for coded in (
        whole, whole.upper(), base64.b64encode(whole), base64.urlsafe_b64encode(whole), whole.hex().encode(),
        before + word.decode().encode("utf-16-le") + after, before + word.decode().encode("utf-16-be") + after,
    ):  # fmt: skip
        assert found(words, coded) != []


@given(st.binary(max_size=500))
def test_what_holds_no_canary_gives_no_find(body):
    words = Canaries(STEM)
    words.word("a field")
    if STEM.encode() not in body:
        assert found(words, body) == []


def test_a_find_says_which_field_of_which_request_it_was(words):
    words.word("openai t2v prompt")
    second = words.word("native edit metadata.note")

    assert found(words, f"log: {second}".encode()) == ["native edit metadata.note"]


@pytest.mark.parametrize("coding", ["ascii", "utf-16-le", "utf-16-be", "utf-16"])
def test_a_find_in_another_coding_says_which_field_it_was_too(words, coding):
    words.word("first")
    word = words.word("second")

    assert [each.removesuffix(" in UTF-16") for each in found(words, word.encode(coding))] == ["second"]


def test_a_cell_may_keep_the_ids_that_it_has_drawn_and_not_the_words_that_it_was_sent(words):
    words.drawn("0a" * 16, "the job's id")
    word = words.word("the prompt")

    own = words.needles(own=True)
    assert list(own.found(b"0a" * 16)) == []
    assert list(own.found(word.encode())) == ["the prompt"]


def test_a_digest_of_what_was_sent_and_an_id_that_the_cell_has_drawn_are_finds_too(words):
    word = words.word("the prompt")
    words.holds(b"film", "the film")
    words.drawn("0a" * 16, "the job's id")

    assert found(words, sha256(word.encode()).hexdigest().encode()) == ["the prompt as SHA-256"]
    assert found(words, sha256(b"film").hexdigest().upper().encode()) == ["the film as SHA-256"]
    assert found(words, b"job " + b"0a" * 16) == ["the job's id"]


def test_another_cells_canary_is_none_of_this_ones(words):
    assert found(words, Canaries("eqcba9876543210").word("x").encode()) == []


def test_every_dialect_has_canaries_in_every_mode_and_no_two_requests_share_one(words):
    asks = [*asks_openai.asks(words), *asks_dashscope.asks(words), *asks_native.asks(words)]

    for dialect in ("openai", "dashscope", "native"):
        for mode in ("t2v", "i2v", "r2v", "edit", "extend"):
            assert any(each.name.startswith(f"{dialect} {mode} ") for each in asks)
    assert len(asks) > 300
    assert len({each.name for each in asks}) == len(asks)


@pytest.mark.parametrize("dialect", [asks_openai, asks_dashscope, asks_native])
def test_each_request_carries_a_canary(dialect, words):
    for each in dialect.asks(words):
        whole = json.dumps([each.path, dict(each.headers), each.json, dict(each.data or {})])
        files = b"".join(name.encode() + body for name, body in (each.files or {}).values())
        assert found(words, whole.encode() + files + (each.content or b"")), each.name


@pytest.fixture
def home(tmp_path):
    settings = CellSettings.model_validate(
        {
            "cell": {
                "name": "jp-tyo",
                "jurisdiction": "JP",
                "provider": "own-jp",
                "region": "jp-tyo-1",
                "origin": "http://127.0.0.1:8000",
            },
            "folders": {"state": tmp_path / "state", "scratch": tmp_path / "scratch"},
            "log": {"folder": tmp_path / "log"},
            "policies": {"tenants": tmp_path / "tenants"},
        }
    )
    for name in ("state/objects", "scratch", "log", "tenants", "tmp"):
        (tmp_path / name).mkdir(parents=True)
    return settings, tmp_path


def leaks_in(home, words):
    settings, folder = home
    output = folder.with_name(f"{folder.name}.out")
    return search("jp-tyo", hay_of(settings, folder, output, None), words.needles()).leaks


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("state/objects/t-1/film.mp4", "objects"), ("log/x/tile", "log"), ("scratch/a", "scratch"),
        ("tenants/store.sqlite", "tenants"), ("tmp/upload", "temporary"), ("state/x", "state"), ("cell.toml", "home"),
        ("state/jobs.sqlite-wal", "database"),
    ],
)  # fmt: skip
def test_a_canary_is_found_in_each_kind_of_place(home, words, place, kind):
    path = home[1] / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100 + words.word("a field").encode())

    assert {(leak.kind, leak.what) for leak in leaks_in(home, words)} == {(kind, "a field")}


def test_a_canary_is_found_in_what_the_cell_prints(home, words):
    home[1].with_name(f"{home[1].name}.out").write_text(f"failed: {words.word('a field')}")

    assert {leak.kind for leak in leaks_in(home, words)} == {"output"}


def test_a_canary_is_found_in_a_packed_file_in_a_name_and_across_pages_of_a_database(home, words):
    folder = home[1]
    (folder / "state/a.gz").write_bytes(gzip.compress(words.word("packed").encode() * 3))
    (folder / f"tmp/{words.word('name')}").touch()
    with sqlite3.connect(folder / "state/jobs.sqlite") as database:
        database.execute("CREATE TABLE jobs (told TEXT)")
        database.execute("INSERT INTO jobs VALUES (?)", ("x" * 4_080 + words.word("row") + "y" * 9_000,))

    assert {leak.what for leak in leaks_in(home, words)} >= {"packed", "name", "row"}


def test_a_clean_home_gives_no_find_and_says_how_much_was_read(home, words):
    settings, folder = home
    words.word("a field")
    (folder / "state/x").write_bytes(b"y" * 5_000)

    searched = search("jp-tyo", hay_of(settings, folder, None, None), words.needles())

    assert (searched.leaks, searched.places, searched.bytes) == ((), 1, 5_000)


def test_a_place_that_may_hold_canaries_is_not_a_leak(words):
    hay = [Hay("database", "jobs", words.word("a field").encode())]

    assert search("eu-par", iter(hay), words.needles(), allowed=frozenset({"database"})).leaks == ()


def frame(source, target, ports, payload=b""):
    """An Ethernet frame with IPv4 and TCP, as far as anybody looks."""
    ip = bytes([0x45, *([0] * 8), 6, 0, 0]) + bytes(map(int, source.split("."))) + bytes(map(int, target.split(".")))
    tcp = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + bytes(16)
    return b"\2" * 6 + b"\3" * 6 + b"\x08\x00" + ip + tcp + payload


def test_a_frame_says_who_spoke_to_whom():
    read = read_frame(frame("10.0.0.1", "10.0.0.2", (40_000, 8_000), b"hello"))

    assert (read.source, read.target, read.ports) == ("10.0.0.1", "10.0.0.2", (40_000, 8_000))
    assert read_frame(b"\2" * 6 + b"\3" * 6 + b"\x08\x06" + bytes(28)).ports is None


def told(*crossings, missed=0):
    return Told(frames=100, missed=missed, crossings=crossings, crossed=len(crossings))


def test_only_heads_for_witnesses_may_go_from_one_cell_to_the_other():
    head = Crossing("10.0.0.1", "10.0.0.2", (40_000, 9_000), b"")
    answer = Crossing("10.0.0.2", "10.0.0.1", (9_000, 40_000), b"")
    other = Crossing("10.0.0.1", "10.0.0.2", (40_000, 8_000), b"")

    assert foreign([head, answer, other], frozenset({("10.0.0.2", 9_000)})) == [other]
    assert crossed(told(head), ()).verdict is Verdict.FAILED
    assert crossed(told(), ()).verdict is Verdict.PASSED


def test_a_capture_that_missed_a_frame_proves_nothing():
    assert crossed(told(missed=1), ()).verdict is Verdict.FAILED


def a_report(tmp_path, *checks):
    log = Log(open_source(log_of.lay(tmp_path / "log", log_of.written(log_of.story(8)))))
    entry = log_of.written(log_of.story(8))[1]
    evidence = Evidence(
        cell="eu-par", jurisdiction="EU", index=1, entry=entry, proof=prove(log, 1), trust=log_of.TRUST.encode()
    )
    return Report(
        version="1",
        begun=log_of.START,
        ended=log_of.START + 60_000,
        cells=("eu-par", "jp-tyo"),
        requests=500,
        canaries=700,
        checks=checks,
        evidence=(evidence,),
    )


LEAK = Leak(cell="jp-tyo", kind="log", place="/log/x", what="openai t2v prompt")
CHECKS = (
    judged("good", "One thing holds", True, "It does.", figures={"requests": 500}),
    judged("bad", "Another holds", False, "1 canary.", leaks=(LEAK,)),
    skipped("away", "A third holds", "only root may try"),
)


def test_a_report_holds_only_when_nothing_failed(tmp_path):
    whole = a_report(tmp_path, *CHECKS)

    assert not whole.holds
    assert replace(whole, checks=(CHECKS[0], CHECKS[2])).holds


def test_people_read_every_check_every_leak_and_where_the_proofs_are(tmp_path):
    text = a_report(tmp_path, *CHECKS).markdown()

    assert "| bad | Another holds | **FAILED** | 1 canary. |" in text
    assert "skipped | only root may try" in text
    assert "- jp-tyo, log, `/log/x`: openai t2v prompt" in text
    assert "`eu-par.tlog-proof`" in text


def test_scripts_read_the_same_and_an_auditor_checks_the_proof_from_its_files(tmp_path):
    path = written(a_report(tmp_path, *CHECKS), tmp_path / "kept")

    told = json.loads(path.with_name("report.json").read_text())
    assert [check["verdict"] for check in told["checks"]] == ["passed", "failed", "skipped"]
    proof = Proof.parse(path.with_name("eu-par.tlog-proof").read_bytes())
    assert proof.proves(path.with_name("eu-par.entry.json").read_bytes())


def test_a_check_is_passed_or_failed_by_what_was_seen():
    assert judged("a", "b", True, "c") == Check(name="a", says="b", verdict=Verdict.PASSED, words="c")
    assert judged("a", "b", False, "c").verdict is Verdict.FAILED
