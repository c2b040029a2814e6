"""Who signs films: a certificate chain, and a function that signs, so that a KMS can hold the key.

A cell without a certificate of its own draws an authority and a signer at its first start. They serve development: a
verifier calls them untrusted until it is given the authority. C2PA's trust list takes only certificates of its
conformance programme, which an operator has to obtain.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from serving.errors import Broken, Refused, Unavailable
from serving.secret import read_secret

__all__ = ["Credential", "Sign", "checked", "development", "expires", "from_files"]

Sign = Callable[[bytes], bytes]  # bytes to their ECDSA signature over P-256 and SHA-256, in DER, as a KMS gives it

AUTHORITY_LIFE: Final = timedelta(days=3650)
SIGNER_LIFE: Final = timedelta(days=365)
RENEW: Final = timedelta(days=30)  # a drawn signer with less left than this is drawn anew at the next start
SLACK: Final = timedelta(hours=1)  # by which a verifier's clock may be behind


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and the means to sign with it."""

    chain: str  # PEM, the signer's own certificate first
    anchors: str  # PEM of the authority that verifiers are to trust; the chain's last certificate
    serial: int  # of the signer's certificate
    sign: Sign

    @property
    def digest(self) -> str:
        """SHA-256 of the serial number's bytes, big endian: how the log names the certificate."""
        return sha256(self.serial.to_bytes((self.serial.bit_length() + 7) // 8, "big")).hexdigest()


def from_files(chain: Path, key: Path) -> Credential:
    """An operator's own certificate. Raises Refused when the files do not hold a P-256 key and its certificate."""
    try:
        text = chain.read_bytes()
        found = x509.load_pem_x509_certificates(text)
    except OSError as error:
        raise Refused(
            f"{chain} cannot be read ({error.strerror}). Name the chain's file as marks.certificate."
        ) from None
    except ValueError:
        raise Refused(f"{chain} holds no certificates in PEM. Put the signer's first, then its authorities'.") from None
    private = _private(key)
    if found[0].public_key() != private.public_key():
        raise Refused(f"{chain} is not the certificate of {key}. Put the signer's own certificate first.")
    return _credential(found, private)


def checked(credential: Credential) -> Sign:
    """The credential's `sign`; raises InvalidSignature where its certificate does not verify what is given."""
    public = _public(credential.chain)

    def sign(data: bytes) -> bytes:
        signature = credential.sign(data)
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        return signature

    return sign


@lru_cache(maxsize=4)
def expires(chain: str) -> float:
    """Seconds since 1970 until which the signer's certificate holds, the first of the chain."""
    return x509.load_pem_x509_certificate(chain.encode()).not_valid_after_utc.timestamp()


@lru_cache(maxsize=4)
def _public(chain: str) -> ec.EllipticCurvePublicKey:
    found = x509.load_pem_x509_certificate(chain.encode()).public_key()  # of the first of the chain
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise Broken("The film cannot be signed: its certificate has no key of a curve. Check marks.certificate.")
    return found


def development(folder: Path, cell: str, now: datetime) -> Credential:
    """The drawn signer of a cell, below `folder`; drawn at the first start, and again before it expires.

    Raises Unavailable when nothing can be written, Refused when others can read the keys.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = _authority(folder, cell, now)
        signer = folder / "signer.pem"
        if not signer.exists() or _left(signer, now) < RENEW:
            _draw_signer(folder, cell, now, *authority)
    except OSError as error:
        raise Unavailable(f"Nothing can be written into {folder} ({error.strerror}). Free space, or mend it.") from None
    return from_files(signer, folder / "signer.key")


def _authority(folder: Path, cell: str, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    place = folder / "authority.pem"
    if not place.exists():
        private = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Equerry development authority of {cell}")
        made = (
            _begun(name, name, private.public_key(), now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(private, hashes.SHA256())
        )
        _write(folder / "authority.key", _pem(private))
        _write(place, made.public_bytes(Encoding.PEM))
    return x509.load_pem_x509_certificate(place.read_bytes()), _private(folder / "authority.key")


def _draw_signer(
    folder: Path, cell: str, now: datetime, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    """Extensions as C2PA 2.x asks of a signer's certificate (section 14.5)."""
    private = ec.generate_private_key(ec.SECP256R1())
    made = (
        _begun(_name(f"Equerry cell {cell}"), authority.subject, private.public_key(), now, SIGNER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "signer.key", _pem(private))
    _write(folder / "signer.pem", made.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - SLACK, now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Equerry"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _left(path: Path, now: datetime) -> timedelta:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - now


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(f"{path} holds no private key in PEM without a password. Write one into it.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused(f"The key in {path} is not of the curve P-256. Make such a key, and have it certified.")
    return key


def _credential(chain: list[x509.Certificate], private: ec.EllipticCurvePrivateKey) -> Credential:
    texts = [each.public_bytes(Encoding.PEM).decode() for each in chain]
    return Credential(
        "".join(texts), texts[-1], chain[0].serial_number, lambda data: private.sign(data, ec.ECDSA(hashes.SHA256()))
    )


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all, for the owner alone."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
