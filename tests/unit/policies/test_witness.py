"""A witness cosigns a log that grew and nothing else, and a trust policy counts who vouched."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.errors import Doubt, Malformed, Refused, Untrusted
from policies.log.disk import Folder
from policies.log.keys import signer_of
from policies.log.memory import Fault, Memory
from policies.log.note import Checkpoint, Kind, Note, Signature, Signer, verify
from policies.log.tiles import nodes
from policies.log.tree import leaf_hash, root_of
from policies.log.trust import parse_trust
from policies.log.witness import Answer, Request, Witness, request_for, signatures_in
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
LOG = signer_of(Kind.ED25519, ORIGIN, b"1" * 32)
COSIGNERS = (
    signer_of(Kind.COSIGNATURE, "w.example", b"2" * 32),
    signer_of(Kind.ML_DSA_44, "w.example", b"3" * 32),
)
LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]
NOW = 1_790_000_000


def node(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : index + 1 << level])


def note(size: int, *, root: bytes | None = None, signer: Signer = LOG) -> Note:
    text = Checkpoint(ORIGIN, size, root or root_of(LEAVES[:size])).body().decode()
    return Note(text, (signer.sign(text, NOW),))


def request(old: int, new: int) -> bytes:
    return bytes(request_for(note(new), old, node))


@pytest.fixture
def witness():
    return Witness(Memory(), COSIGNERS, {ORIGIN: [LOG.vkey]})


def test_a_log_that_grows_is_cosigned_by_every_key_of_the_witness(witness):
    answers = [witness.add_checkpoint(request(old, new), NOW) for old, new in [(0, 3), (3, 3), (3, 17), (17, 40)]]

    assert [answer.status for answer in answers] == [200] * 4
    keys = [signer.vkey for signer in COSIGNERS]
    assert len(signatures_in(answers[-1], note(40), keys)) == 2
    assert {held.seconds for held in verify(note(40).signed(signatures_in(answers[-1], note(40), keys)), keys)} == {NOW}


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=40)
def test_only_a_head_that_follows_the_last_one_is_cosigned(first, old, new):
    witness = Witness(Memory(), COSIGNERS[:1], {ORIGIN: [LOG.vkey]})
    witness.add_checkpoint(request(0, first), NOW)
    body = request(old, new) if old <= new else bytes(Request(old, (), note(new)))

    answer = witness.add_checkpoint(body, NOW)

    assert answer.status == (400 if old > new else 409 if old != first else 200)
    assert answer.status != 409 or answer.body == b"%d\n" % first


def test_a_log_that_rewrote_its_past_is_not_cosigned(witness):
    witness.add_checkpoint(request(0, 9), NOW)
    other = root_of([leaf_hash(b"another"), *LEAVES[1:20]])
    forged = bytes(Request(9, request_for(note(20), 9, node).proof, note(20, root=other)))

    assert witness.add_checkpoint(forged, NOW).status == 422
    assert witness.add_checkpoint(bytes(Request(9, (), note(9, root=other))), NOW).status == 422
    assert witness.add_checkpoint(request(9, 20), NOW).status == 200


def test_an_empty_log_has_the_root_of_nothing(witness):
    assert witness.add_checkpoint(bytes(Request(0, (), note(0, root=b"9" * 32))), NOW).status == 422
    assert witness.add_checkpoint(request(0, 0), NOW).status == 200


def test_a_proof_that_nobody_needs_is_refused(witness):
    assert witness.add_checkpoint(bytes(Request(0, (LEAVES[0],), note(5))), NOW).status == 422


def test_a_log_that_nobody_named_is_unknown(witness):
    text = Checkpoint("stranger.example/log", 0, root_of([])).body().decode()

    assert witness.add_checkpoint(bytes(Request(0, (), Note(text, note(0).signatures))), NOW).status == 404


def test_a_head_signed_by_another_key_is_forbidden(witness):
    stranger = signer_of(Kind.ED25519, ORIGIN, b"9" * 32)
    changed = Note(note(5).text, note(6).signatures)

    assert witness.add_checkpoint(bytes(Request(0, (), note(5, signer=stranger))), NOW).status == 403
    assert witness.add_checkpoint(bytes(Request(0, (), changed)), NOW).status == 403


def test_a_witness_remembers_after_a_restart_and_serves_what_it_cosigned(tmp_path):
    first = Witness(Folder(tmp_path), COSIGNERS, {ORIGIN: [LOG.vkey]})
    first.add_checkpoint(request(0, 9), NOW)
    first.close()
    second = Witness.in_folder(tmp_path, COSIGNERS, {ORIGIN: [LOG.vkey]})

    assert second.add_checkpoint(request(0, 20), NOW).body == b"9\n"
    kept = Note.parse(second.checkpoint(ORIGIN) or b"")
    assert len(verify(kept, [LOG.vkey, *(signer.vkey for signer in COSIGNERS)])) == 3


def test_a_witness_whose_memory_was_changed_cosigns_nothing(tmp_path):
    witness = Witness(Folder(tmp_path), COSIGNERS, {ORIGIN: [LOG.vkey]})
    witness.add_checkpoint(request(0, 9), NOW)
    (path,) = tmp_path.glob("*/checkpoint")
    path.write_bytes(path.read_bytes().replace(b"\n9\n", b"\n8\n"))

    with pytest.raises(Doubt, match="damaged"):
        witness.add_checkpoint(request(9, 20), NOW)


@pytest.mark.parametrize("fault", list(Fault))
def test_a_witness_whose_disk_failed_cosigns_nothing_more(fault):
    disk = Memory()
    witness = Witness(disk, COSIGNERS, {ORIGIN: [LOG.vkey]})
    disk.plan = lambda number, name, paths: fault if name == "sync" else None
    with pytest.raises(OSError, match="told to fail"):
        witness.add_checkpoint(request(0, 9), NOW)
    disk.plan = None

    with pytest.raises(Doubt, match="stopped"):
        witness.add_checkpoint(request(0, 9), NOW)


def test_a_log_key_does_not_make_a_witness():
    with pytest.raises(Refused, match="type 4 or 6"):
        Witness(Memory(), [LOG], {})


@given(st.binary(max_size=600))
@example(b"old 0\n\n")
@example(b"old 01\n\n" + bytes(note(1)))
@example(b"old 0\n" + b"AAAA\n" * 3 + b"\n" + bytes(note(1)))
def test_any_bytes_are_a_request_or_are_refused(data):
    witness = Witness(Memory(), COSIGNERS[:1], {ORIGIN: [LOG.vkey]})

    assert witness.add_checkpoint(data, NOW).status == 400
    with suppress(Malformed):
        assert bytes(Request.parse(data)) == data


def test_an_answer_that_was_changed_is_not_believed(witness):
    answer = witness.add_checkpoint(request(0, 9), NOW)

    with pytest.raises(Untrusted):
        signatures_in(answer, note(10), [COSIGNERS[0].vkey])


def test_a_signature_that_is_repeated_counts_once_and_what_was_not_checked_is_left_out(witness):
    answer = witness.add_checkpoint(request(0, 9), NOW)
    (first, *_) = signatures_in(answer, note(9), [COSIGNERS[0].vkey])
    junk = Signature(first.name, first.id, b"0" * 72).line().encode()

    assert signatures_in(Answer(200, answer.body + junk * 9), note(9), [COSIGNERS[0].vkey]) == (first,)


def test_a_writer_publishes_what_the_witness_gave_and_wakes_who_waits(witness):
    disk = Memory()
    with Writer.open(disk, [LOG], now=lambda: NOW * 1000, pace=Pace(linger=0), lint=lambda entry: None) as log:
        receipt = log.append(b"entry").result(10)
        assert not log.wait_for_quorum(receipt, 0)
        head = log.head
        sent = request_for(head.note, 0, nodes(head.checkpoint.size, disk.read))
        given_ = signatures_in(witness.add_checkpoint(bytes(sent), NOW), head.note, [COSIGNERS[0].vkey])
        log.cosign(head, given_, quorum=True)
        assert log.wait_for_quorum(receipt, 10)

    trust = parse_trust(f"log {LOG.vkey}\nwitness w {COSIGNERS[0].vkey}\nquorum w\n")
    assert trust.check(Note.parse(disk.read("checkpoint"))).size == 1


# Trust policies


def cosigner(number: int) -> Signer:
    return signer_of(Kind.COSIGNATURE, f"w{number}.example", bytes([number]) * 32)


WITNESSES = "".join(f"witness {name} {cosigner(number).vkey}\n" for number, name in enumerate("abcde", 1))
BASE = f"# whom we trust\n\nlog {LOG.vkey}\n{WITNESSES}"
POLICY = BASE + "group abc 2 a b c\ngroup de any d e\ngroup both all abc de\n"


@pytest.mark.parametrize(
    ("signers", "met"),
    [("", False), ("ab", False), ("abc", False), ("de", False), ("ad", False), ("abd", True), ("bce", True)],
)
def test_a_quorum_of_groups_counts_its_members(signers, met):
    trust = parse_trust(POLICY + "quorum both\n")
    text = note(5).text
    signed = note(5).signed(cosigner("abcde".index(name) + 1).sign(text, NOW) for name in signers)

    assert trust.quorum_met(signed) == met
    if met:
        assert trust.check(signed).size == 5
    else:
        with pytest.raises(Untrusted, match="quorum 'both' has not vouched"):
            trust.check(signed)


def test_no_quorum_needs_no_witness_but_the_log():
    trust = parse_trust(POLICY + "quorum none\n")

    assert trust.check(note(5)).size == 5
    with pytest.raises(Untrusted):
        trust.check(Note(note(5).text, (cosigner(1).sign(note(5).text, NOW),)))


def test_a_cosignature_that_does_not_hold_is_no_quorum():
    trust = parse_trust(f"log {LOG.vkey}\nwitness a {cosigner(1).vkey}\nquorum a\n")

    assert not trust.quorum_met(note(5).signed([cosigner(1).sign(note(6).text, NOW)]))


def test_a_log_vouches_for_no_other_origin():
    text = Checkpoint("other.example/log", 5, LEAVES[0]).body().decode()

    with pytest.raises(Untrusted, match="not signed by a log of that name"):
        parse_trust(f"log {LOG.vkey}\nquorum none\n").check(Note(text, (LOG.sign(text, NOW),)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "no `quorum` line"),
        ("quorum a\nquorum a", "stands there once"),
        ("quorum nobody", "not defined"),
        ("group x 3 a b\nquorum x", "1 to 2 of them"),
        ("group x 0 a b\nquorum x", "1 to 2 of them"),
        ("group x all\nquorum x", "it reads"),
        ("group x any a a\nquorum x", "member of a group already"),
        ("group x any a\ngroup y any a\nquorum x", "member of a group already"),
        ("group x any later\nquorum x", "not defined"),
        ("group a any b\nquorum a", "is taken"),
        ("group none any b\nquorum none", "is taken"),
        ("group x any none\nquorum x", "not defined"),
        (f"witness z {cosigner(1).vkey}\nquorum a", "stands there already"),
        (f"witness z {LOG.vkey}\nquorum a", "cosigner's key"),
        (f"log {LOG.vkey}\nquorum a", "stands there already"),
        ("witness z\nquorum a", "it reads"),
        ("trust everybody\nquorum a", "is not one of"),
        ("quorum\u00a0a", "is not one of"),
        ("quorum a\r", "control characters"),
    ],
)
def test_a_policy_that_is_not_as_c2sp_says_is_refused_with_its_line(line, words):
    with pytest.raises(Malformed, match=words):
        parse_trust(BASE + line + "\n")


def test_a_policy_whose_end_may_be_missing_is_refused():
    with pytest.raises(Malformed, match="no newline"):
        parse_trust(POLICY + "quorum both")


def test_tabs_comments_and_urls_are_allowed():
    trust = parse_trust(f"  # comment\n\t\nlog\t{LOG.vkey}  https://log.example/ \nquorum  none\t\n")

    assert trust.logs == (LOG.vkey,)


def test_names_are_octets_and_need_not_be_text():
    trust = parse_trust(b"witness \xff\xfe " + str(cosigner(1).vkey).encode() + b"\nquorum \xff\xfe\n")

    assert trust.quorum_met(note(5).signed([cosigner(1).sign(note(5).text, NOW)]))


LINES = st.lists(
    st.text(max_size=60) | st.sampled_from([*POLICY.split("\n"), "quorum both", "group q any d", "quorum none"]),
    max_size=12,
)


@given(st.binary(max_size=300) | LINES.map("\n".join).map(lambda text: text.encode("utf-8", "surrogatepass") + b"\n"))
def test_any_bytes_are_a_policy_or_are_refused(data):
    with suppress(Malformed):
        assert parse_trust(data).quorum_met(note(1)) in {True, False}


def test_groups_within_groups_do_not_exhaust_the_stack():
    chain = "".join(f"group g{number + 1} any g{number}\n" for number in range(5000))
    trust = parse_trust(f"witness g0 {cosigner(1).vkey}\n{chain}quorum g5000\n")

    assert trust.quorum_met(note(5).signed([cosigner(1).sign(note(5).text, NOW)]))
