"""A cell's log is vouched for by the witnesses that its settings name, and none of them can hurt it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policies.errors import Refused
from policies.log.cli import app
from policies.log.entry import Pad
from policies.log.keys import log_signers, signer_of
from policies.log.memory import Memory
from policies.log.note import Checkpoint, Kind, Note, Signature, Signer, Vkey
from policies.log.shards import Series
from policies.log.trust import parse_trust
from policies.log.witness import Answer, Request, Witness
from serving.cluster.recorder import Recorder
from serving.home import Site, make_home, own_key, today
from serving.ledger import Ledger, open_ledger, witness_lines
from serving.settings import CellSettings
from serving.telemetry.eyes import Blind, Told
from serving.vouchers import MOST, Vouchers, vouchers

NOW = 1_790_000_000_000  # milliseconds
ONE = signer_of(Kind.COSIGNATURE, "one.example", b"1" * 32)
TWO = signer_of(Kind.ML_DSA_44, "two.example", b"2" * 32)
KEYS = f"witness one {ONE.vkey}\nwitness two {TWO.vkey}\n"
Answers = Callable[[bytes], Answer]


class Counting(Blind):
    """Eyes that remember how each witness did."""

    def __init__(self) -> None:
        self.outcomes: list[Told] = []

    def count(self, metric: str, amount: float = 1, **labels: Told) -> None:
        assert metric == "equerry.witnesses.asked"
        self.outcomes.append(labels["outcome"])


class Stand:
    """A witness on loopback, which keeps the bodies that came to it."""

    def __init__(self, answers: Answers, headers: dict[str, str] | None = None) -> None:
        self.bodies: list[bytes] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                stand.bodies.append(body)
                found = answers(body) if self.path == "/w/add-checkpoint" else Answer(404)
                self.send_response(found.status)
                for name, value in {"content-type": found.kind, **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(found.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/w"


@contextmanager
def served(answers: Answers, **headers: str) -> Iterator[Stand]:
    stand = Stand(answers, headers)
    thread = threading.Thread(target=stand.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield stand
    finally:
        stand.server.shutdown()
        thread.join()
        stand.server.server_close()


def true(ledger: Ledger, *signers: Signer) -> Witness:
    """A witness that knows the log."""
    return Witness(Memory(), signers, {ledger.origin: parse_trust(ledger.trust.read_bytes()).logs})


def answering(witness: Witness) -> Answers:
    return lambda body: witness.add_checkpoint(body, NOW // 1000)


def series(folder: Path) -> Series:
    (folder / "keys").mkdir()
    return Series(root=folder / "log", keys=folder / "keys", domain="op.example", cell="eu-par", kind="residency")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Ledger]]:
    ledgers: list[Ledger] = []

    def open_(quorum: str) -> Ledger:
        ledgers.append(
            open_ledger(
                series(tmp_path), now=lambda: NOW, rng=os.urandom, linger=0, witnesses=KEYS + f"quorum {quorum}\n"
            )
        )
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close()


def audit(ledger: Ledger) -> int:
    """The exit code of `equerry audit verify`."""
    arguments = ["verify", str(ledger.folder), "--trust", str(ledger.trust), "--processes", "1", "--json"]
    return CliRunner().invoke(app, arguments).exit_code


def published(ledger: Ledger) -> Note:
    return Note.parse((ledger.folder / "checkpoint").read_bytes())


def names(note: Note) -> list[str]:
    return [one.name for one in note.signatures]


def asked(ledger: Ledger, *addresses: str, rounds: int = 1, patience: float = 5.0) -> list[Told]:
    """How the witnesses did, in all rounds."""
    eyes = Counting()
    each = Vouchers(ledger, addresses, eyes, patience=patience)
    for _ in range(rounds):
        asyncio.run(each.round())
    return eyes.outcomes


def test_a_log_whose_witnesses_vouch_verifies_under_a_quorum_and_did_not_before(opened):
    ledger = opened("two")
    before = audit(ledger)
    with served(answering(true(ledger, ONE))) as first, served(answering(true(ledger, TWO))) as second:
        outcomes = asked(ledger, first.address, second.address)
    ledger.close()

    assert (before, outcomes, audit(ledger)) == (1, ["ok", "ok"], 0)
    assert {"one.example", "two.example"} <= set(names(published(ledger)))


def test_a_log_that_grows_is_vouched_for_again_with_a_proof_of_what_the_witness_knows(opened):
    ledger = opened("one")
    with served(answering(true(ledger, ONE))) as stand:
        each = Vouchers(ledger, (stand.address,))
        asyncio.run(each.round())
        for _ in range(300):  # more than one tile
            ledger.pen.write(Pad())
        ledger.tell(Pad())
        met = asyncio.run(each.round())
    requests = [Request.parse(body) for body in stand.bodies]
    ledger.close()

    assert [(one.old, Checkpoint.parse(one.note.text).size) for one in requests] == [(0, 1), (1, 302)]
    assert met
    assert audit(ledger) == 0


def test_a_cell_that_began_anew_asks_again_from_where_the_witness_stands(opened):
    ledger = opened("one")
    with served(answering(true(ledger, ONE))) as stand:
        asked(ledger, stand.address)
        ledger.tell(Pad())
        outcomes = asked(ledger, stand.address)

    assert [Request.parse(body).old for body in stand.bodies] == [0, 0, 1]
    assert outcomes == ["ok"]


def test_a_head_that_stays_keeps_one_cosignature_of_each_key_however_often_it_is_asked_for(opened):
    ledger = opened("one")
    witness, times = true(ledger, ONE), iter(range(10))
    with served(lambda body: witness.add_checkpoint(body, NOW // 1000 + next(times))) as stand:
        asked(ledger, stand.address, rounds=4)
    ledger.close()

    assert len(stand.bodies) >= 4
    assert names(published(ledger)).count("one.example") == 1


def test_nothing_goes_out_but_the_head_a_proof_and_the_logs_own_signatures(opened):
    ledger = opened("one")
    with served(answering(true(ledger, ONE))) as first, served(answering(true(ledger, TWO))) as second:
        asked(ledger, first.address, second.address, rounds=2)

    for body in first.bodies + second.bodies:
        assert bytes(Request.parse(body)) == body
        assert names(Request.parse(body).note) == [ledger.origin, f"{ledger.origin}/pq"]


def lying(ledger: Ledger) -> Answers:
    """Signs another head than it was asked for."""
    text = Checkpoint(ledger.origin, 1, b"9" * 32).body().decode()
    return lambda _: Answer(200, ONE.sign(text, 1).line().encode())


def stranger(_: Ledger) -> Answers:
    other = signer_of(Kind.COSIGNATURE, "one.example", b"3" * 32)
    return lambda body: Answer(200, other.sign(Request.parse(body).note.text, 1).line().encode())


def slow(_: Ledger) -> Answers:
    def wait(_: bytes) -> Answer:
        time.sleep(1.5)
        return Answer(200)

    return wait


def huge(ledger: Ledger) -> Answers:
    """Cosigns, among signatures of nobody that are known."""
    others = b"".join(Signature(f"other{n}.example", b"name", b"0" * 2000).line().encode() for n in range(60))
    assert len(others) > MOST
    witness = true(ledger, ONE)

    def swollen(body: bytes) -> Answer:
        answer = witness.add_checkpoint(body, NOW // 1000)
        return Answer(answer.status, answer.body + others)

    return swollen


BAD: list[tuple[Callable[[Ledger], Answers], str]] = [
    (lying, "failed"),
    (stranger, "failed"),
    (slow, "unavailable"),
    (huge, "failed"),
    (lambda _: lambda _: Answer(200, b"\xff\n"), "failed"),
    (lambda _: lambda _: Answer(200), "failed"),
    (lambda _: lambda _: Answer(409, b"many\n"), "failed"),
    (lambda _: lambda _: Answer(409, b"1\n"), "refused"),
    (lambda _: lambda _: Answer(409, b"7\n"), "refused"),
    (lambda _: lambda _: Answer(404), "refused"),
    (lambda _: lambda _: Answer(503), "unavailable"),
    (lambda _: lambda _: Answer(429), "unavailable"),
]


@pytest.mark.parametrize(("answers", "outcome"), BAD)
def test_a_bad_witness_is_counted_and_spoils_neither_the_log_nor_the_others(opened, answers, outcome):
    ledger = opened("two")
    with served(answers(ledger)) as bad, served(answering(true(ledger, TWO))) as good:
        outcomes = asked(ledger, bad.address, good.address, patience=1)
        assert len(bad.bodies) <= 2
    ledger.close()

    assert sorted(map(str, outcomes)) == sorted([outcome, "ok"])
    assert "one.example" not in names(published(ledger))
    assert audit(ledger) == 0


def test_a_witness_that_is_down_is_unavailable(opened):
    ledger = opened("one")
    with served(lambda _: Answer(200)) as stand:
        pass

    assert asked(ledger, stand.address) == ["unavailable"]


def test_no_witness_leads_a_cell_elsewhere(opened):
    ledger = opened("one")
    with served(answering(true(ledger, ONE))) as elsewhere:
        address = f"{elsewhere.address}/add-checkpoint"
        with served(lambda _: Answer(307), location=address) as stand:
            assert asked(ledger, stand.address) == ["refused"]

    assert elsewhere.bodies == []


def test_a_proxy_of_the_environment_is_not_asked(opened, monkeypatch):
    ledger = opened("one")
    with served(answering(true(ledger, ONE))) as stand, served(lambda _: Answer(500)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        assert asked(ledger, stand.address) == ["ok"]

    assert proxy.bodies == []


def test_signatures_that_are_told_many_times_are_published_once(opened):
    ledger = opened("one")
    junk = b"".join(Signature(ONE.vkey.name, ONE.vkey.id, bytes([n]) * 72).line().encode() for n in range(90))
    witness = true(ledger, ONE)

    def swollen(body: bytes) -> Answer:
        answer = witness.add_checkpoint(body, NOW // 1000)
        return Answer(answer.status, answer.body + junk)

    with served(swollen) as stand:
        outcomes = asked(ledger, stand.address)
    ledger.close()

    assert (outcomes, len(published(ledger).signatures)) == (["ok"], 3)


def test_what_a_witness_does_is_logged_when_it_changes(opened, caplog):
    ledger = opened("one")
    now = iter([503, 503, 404, 200, 200])
    good = answering(true(ledger, ONE))

    def moody(body: bytes) -> Answer:
        status = next(now)
        return good(body) if status == 200 else Answer(status)

    with served(moody) as stand, caplog.at_level(logging.WARNING, "serving.vouchers"):
        asked(ledger, stand.address, rounds=5)

    told = [(each.message, each.__dict__.get("outcome")) for each in caplog.records]
    assert told == [
        ("A witness does not cosign.", "unavailable"),
        ("A witness does not cosign.", "refused"),
        ("A witness cosigns again.", None),
    ]


def test_a_log_that_a_witness_knows_to_have_been_longer_says_so(opened, caplog):
    ledger = opened("one")
    with served(lambda _: Answer(409, b"12\n")) as stand, caplog.at_level(logging.ERROR, "serving.vouchers"):
        asked(ledger, stand.address, rounds=2)

    assert [each.message for each in caplog.records] == [
        "A witness has seen a longer log than this one.",
        "A witness does not cosign.",
    ]


# Settings

CELL = {
    "name": "eu-par",
    "jurisdiction": "EU",
    "provider": "own-eu",
    "region": "eu-par-1",
    "origin": "http://127.0.0.1:8000",
}


def settings(**log: object) -> CellSettings:
    return CellSettings.model_validate({"cell": CELL, "log": log})


def test_without_witnesses_nobody_is_asked(opened):
    assert vouchers(settings(), opened("one")) is None


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"witnesses": ["https://w.example"]}, "need witness_keys"),
        ({"witnesses": ["http://w.example"], "witness_keys": "keys"}, "plain http"),
        ({"witnesses": ["https://w.example/"], "witness_keys": "keys"}, "no slash at the end"),
        ({"witnesses": ["https://me@w.example"], "witness_keys": "keys"}, "scheme, host, port and path"),
        ({"witnesses": ["https://w.example"] * 17, "witness_keys": "keys"}, "at most 16"),
        ({"witness_seconds": 0.5}, "greater than or equal to 1"),
    ],
)
def test_witnesses_that_cannot_be_asked_are_refused(log, words):
    with pytest.raises(ValueError, match=words):
        settings(**log)


@pytest.mark.parametrize(
    "text",
    ["", "quorum none\n", f"witness one {ONE.vkey}\n", "witness pq " + KEYS.split()[2] + "\nquorum pq\n"],
)
def test_a_file_of_keys_that_says_too_little_or_too_much_is_refused(tmp_path, text):
    file = tmp_path / "keys"
    file.write_text(text)

    with pytest.raises(Refused, match=str(file)):
        witness_lines(file)


def test_a_file_of_keys_names_no_log_of_its_own(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"log {Vkey('other.example', Kind.ED25519, b'1' * 32)}\n{KEYS}quorum one\n")

    with pytest.raises(Refused, match="names a log"):
        witness_lines(file)


def test_no_file_of_keys_asks_for_no_quorum():
    assert witness_lines(None) == "quorum none\n"


# A cell


@pytest.mark.parametrize(("seconds", "beats"), [("3600", 1), ("1", 3)])
def test_a_cell_asks_on_a_beat_whether_its_log_grows_or_not_and_a_last_time_when_it_ends(
    tmp_path, monkeypatch, seconds, beats
):
    """By the recorder, which is a cell's one writer on Ray; one process has the same house."""
    site = Site(cell="eu-par", country="FR", city="Paris")
    home = make_home(tmp_path, site, [], port=8000, model="pony", signing=own_key(tmp_path), day=today())
    (tmp_path / "keys").write_text(f"{KEYS}quorum one\n")
    known: dict[str, Witness] = {}

    def answers(body: bytes) -> Answer:
        origin = Checkpoint.parse(Request.parse(body).note.text).origin
        log, _ = log_signers(next(tmp_path.rglob("log-keys")), origin)
        witness = known.setdefault(origin, Witness(Memory(), [ONE], {origin: [log.vkey]}))
        return witness.add_checkpoint(body, NOW // 1000)

    with served(answers) as stand:
        monkeypatch.setenv("EQUERRY_LOG__WITNESSES", f'["{stand.address}"]')
        monkeypatch.setenv("EQUERRY_LOG__WITNESS_KEYS", str(tmp_path / "keys"))
        monkeypatch.setenv("EQUERRY_LOG__WITNESS_SECONDS", seconds)
        recorder = Recorder(str(home))
        try:
            until = time.monotonic() + 30
            while len(stand.bodies) < beats and time.monotonic() < until:
                time.sleep(0.02)
            recorder.ledger.tell(Pad())
        finally:
            recorder.close()

    assert len(stand.bodies) > beats
    assert audit(recorder.ledger) == 0
