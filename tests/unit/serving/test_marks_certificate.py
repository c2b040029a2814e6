"""Who signs films: drawn for development, renewed in time, or an operator's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from serving.errors import Refused, Unavailable
from serving.media.marks.certificate import development, from_files

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_cell_draws_its_signer_once(tmp_path):
    first = development(tmp_path / "marks", "eu-par", NOW)
    later = development(tmp_path / "marks", "eu-par", NOW + timedelta(days=300))

    assert (later.chain, later.serial, later.digest) == (first.chain, first.serial, first.digest)


def test_nobody_else_can_read_the_drawn_keys(tmp_path):
    development(tmp_path, "eu-par", NOW)

    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("authority.key", "authority.pem", "signer.key", "signer.pem"), "0o600")


def test_a_signer_is_drawn_anew_before_it_expires_and_the_authority_stays(tmp_path):
    first = development(tmp_path, "eu-par", NOW)
    later = development(tmp_path, "eu-par", NOW + timedelta(days=340))

    assert later.serial != first.serial
    assert later.anchors == first.anchors


def test_the_chain_holds(tmp_path):
    leaf, authority = x509.load_pem_x509_certificates(development(tmp_path, "eu-par", NOW).chain.encode())

    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)


def test_an_operators_own_files_are_taken(tmp_path):
    drawn = development(tmp_path, "eu-par", NOW)

    taken = from_files(tmp_path / "signer.pem", tmp_path / "signer.key")

    assert (taken.chain, taken.anchors, taken.serial) == (drawn.chain, drawn.anchors, drawn.serial)


def test_a_certificate_of_another_key_is_refused(tmp_path):
    development(tmp_path, "eu-par", NOW)

    with pytest.raises(Refused, match="not the certificate of"):
        from_files(tmp_path / "signer.pem", tmp_path / "authority.key")


def test_a_key_that_others_can_read_is_refused(tmp_path):
    development(tmp_path, "eu-par", NOW)
    (tmp_path / "signer.key").chmod(0o644)

    with pytest.raises(Refused, match="chmod 600"):
        development(tmp_path, "eu-par", NOW)


def test_a_key_of_another_kind_is_refused(tmp_path):
    development(tmp_path, "eu-par", NOW)
    other = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "signer.key").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(Refused, match="P-256"):
        development(tmp_path, "eu-par", NOW)


@pytest.mark.parametrize(("body", "told"), [(None, "cannot be read"), (b"nothing", "no certificates")])
def test_a_chain_that_cannot_be_read_is_refused(tmp_path, body, told):
    development(tmp_path, "eu-par", NOW)
    chain = tmp_path / "own.pem"
    if body is not None:
        chain.write_bytes(body)

    with pytest.raises(Refused, match=told):
        from_files(chain, tmp_path / "signer.key")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable, match="Nothing can be written"):
        development(tmp_path / "file" / "marks", "eu-par", NOW)
