"""Notes, keys and cosignatures read as C2SP's documents write them, and anything else is an error, never a crash."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import Malformed, Untrusted
from policies.log.note import (
    Checkpoint,
    Held,
    Kind,
    Note,
    Signature,
    Signer,
    Vkey,
    message,
    parse_vkey,
    verify,
)

# The example of C2SP signed-note.
PUBLISHED_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
PUBLISHED_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

HEAD = Checkpoint("op.example/equerry/eu-par/residency/2026h2", 20852163, bytes(range(32)))
NOW = 1_790_000_000


def signer(kind: Kind, name: str = HEAD.origin, seed: bytes = b"7" * 32) -> Signer:
    key = (
        MLDSA44PrivateKey.from_seed_bytes(seed)
        if kind is Kind.ML_DSA_44
        else Ed25519PrivateKey.from_private_bytes(seed)
    )
    return Signer(Vkey(name, kind, key.public_key().public_bytes_raw()), key.sign)


def signed(*signers: Signer, text: str = HEAD.body().decode()) -> Note:
    return Note(text, tuple(one.sign(text, NOW) for one in signers))


def test_the_published_example_holds():
    key = parse_vkey(PUBLISHED_KEY)

    assert verify(Note.parse(PUBLISHED_NOTE), [key]) == (Held(key, None),)
    assert str(key) == PUBLISHED_KEY


def test_the_published_example_with_another_letter_does_not_hold():
    with pytest.raises(Untrusted, match="does not hold"):
        verify(Note.parse(PUBLISHED_NOTE.replace(b"an example", b"no example")), [parse_vkey(PUBLISHED_KEY)])


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_signature_holds_for_its_text_alone(kind):
    one = signer(kind)
    note = signed(one)
    other = Note(Checkpoint(HEAD.origin, HEAD.size + 1, HEAD.root).body().decode(), note.signatures)

    assert verify(note, [one.vkey]) == (Held(one.vkey, None if kind is Kind.ED25519 else NOW),)
    with pytest.raises(Untrusted):
        verify(other, [one.vkey])


@pytest.mark.parametrize("kind", [Kind.COSIGNATURE, Kind.ML_DSA_44])
def test_the_time_of_a_cosignature_is_signed_too(kind):
    one = signer(kind)
    sound = signed(one).signatures[0]
    later = Signature(sound.name, sound.id, (NOW + 1).to_bytes(8, "big") + sound.data[8:])

    with pytest.raises(Untrusted):
        verify(Note(HEAD.body().decode(), (later,)), [one.vkey])


def test_an_ed25519_cosignature_signs_the_lines_of_the_specification():
    text = HEAD.body().decode()

    assert message(Kind.COSIGNATURE, "w", text, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + HEAD.body()


def test_an_ml_dsa_44_cosignature_signs_the_structure_of_the_specification():
    head = Checkpoint("ex.com/a", 258, bytes([9]) * 32)

    assert message(Kind.ML_DSA_44, "w1", head.body().decode(), 5).hex() == (
        "737562747265652f76310a00" + "027731" + "0000000000000005" + "0865782e636f6d2f61" + "00" * 8
        + "0000000000000102" + "09" * 32
    )  # fmt: skip


def test_a_key_under_another_name_is_unknown():
    with pytest.raises(Untrusted, match="No signature"):
        verify(signed(signer(Kind.ED25519, "someone.example")), [signer(Kind.ED25519).vkey])


def test_unknown_signatures_are_passed_over():
    known = signer(Kind.ED25519)
    note = signed(signer(Kind.COSIGNATURE, "stranger.example"), known, signer(Kind.ML_DSA_44, "another.example"))

    assert [held.vkey for held in verify(note, [known.vkey])] == [known.vkey]


def test_one_bad_signature_of_a_known_key_spoils_the_note():
    good, bad = signer(Kind.ED25519), signer(Kind.COSIGNATURE, "w.example")
    note = signed(good).signed([signed(bad, text="another text\n").signatures[0]])

    with pytest.raises(Untrusted, match=r"'w\.example' does not hold"):
        verify(note, [good.vkey, bad.vkey])


@given(st.sampled_from(list(Kind)), st.binary(max_size=3000))
def test_a_signature_of_any_bytes_does_not_hold(kind, data):
    key = signer(kind).vkey

    with pytest.raises(Untrusted):
        verify(Note(HEAD.body().decode(), (Signature(key.name, key.id, data),)), [key])


def test_a_note_with_three_signatures_reads_as_it_was_written():
    note = signed(signer(Kind.ED25519), signer(Kind.ML_DSA_44, HEAD.origin + "/pq"), signer(Kind.COSIGNATURE, "w"))

    assert Note.parse(bytes(note)) == note


SOUND = bytes(signed(signer(Kind.ED25519)))


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@example(SOUND.replace(b"\n", b"\r\n"))
@example(SOUND[:-1])
@example(SOUND + b"\n")
@example("\n\n— a AAAAAAA=\n".encode())
def test_any_bytes_are_a_note_or_are_refused(data):
    with suppress(Malformed):
        assert bytes(Note.parse(data)) == data


@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255))
def test_a_note_with_one_byte_changed_is_refused_or_does_not_hold(place, byte):
    changed = SOUND[:place] + bytes([byte]) + SOUND[place + 1 :]

    try:
        verify(Note.parse(changed), [signer(Kind.ED25519).vkey])
        assert changed == SOUND
    except (Malformed, Untrusted):
        assert changed != SOUND


def test_a_note_may_hold_sixteen_signatures_and_not_a_thousand():
    line = signed(signer(Kind.ED25519)).signatures[0].line()

    assert len(Note.parse(("text\n\n" + line * 16).encode()).signatures) == 16
    with pytest.raises(Malformed):
        Note.parse(("text\n\n" + line * 1000).encode())


@given(st.text(max_size=120) | st.text("0123456789+/=abcdefAaQ", max_size=120))
@example(PUBLISHED_KEY + "=")
@example("a+00000000+")
@example("a+00000000+AQ==")
@example("\udc80+00000000+" + PUBLISHED_KEY.split("+")[2])
def test_any_text_is_a_key_or_is_refused(text):
    with suppress(Malformed):
        assert str(parse_vkey(text)) == text


def test_a_key_whose_id_is_of_another_key_is_refused():
    with pytest.raises(Malformed, match="does not match its own id"):
        parse_vkey(PUBLISHED_KEY.replace("530d903a", "530d903b"))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_key_reads_as_it_was_written(kind):
    key = signer(kind).vkey

    assert parse_vkey(str(key)) == key


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_reads_as_it_was_written(size, root):
    head = Checkpoint("a.example/b", size, root)

    assert Checkpoint.parse(head.body()) == head


@given(st.text(max_size=200) | st.binary(max_size=200))
@example("a\n01\n" + "A" * 43 + "=\n")
@example("a\n٣\n" + "A" * 43 + "=\n")
@example("a\n1\n" + "A" * 43 + "=\nextension\n")
@example("a\n9223372036854775808\n" + "A" * 43 + "=\n")
def test_any_text_is_a_checkpoint_or_is_refused(text):
    with suppress(Malformed):
        assert Checkpoint.parse(text).body() == (text if isinstance(text, bytes) else text.encode())


def test_a_checkpoint_with_an_extension_line_is_refused():
    with pytest.raises(Malformed, match="three lines"):
        Checkpoint.parse(HEAD.body() + b"more\n")
