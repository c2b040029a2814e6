"""Signed notes, checkpoints and cosignatures, as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature).

A note is a text and lines of signatures. A checkpoint is the note that states a log's size and root. A log signs it
with Ed25519; cosigners, who vouch that it only grew, sign a message that also holds a time in seconds since 1970.
An ML-DSA-44 cosignature does not cover extension lines, so our checkpoints have none and none are accepted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from policies.errors import Malformed, Refused, Untrusted

__all__ = [
    "MOST_NOTE",
    "Checkpoint",
    "Held",
    "Kind",
    "Note",
    "Signature",
    "Signer",
    "Vkey",
    "decode64",
    "key_id",
    "message",
    "parse_vkey",
    "verify",
    "vkey",
]

MOST_NOTE: Final = 1_000_000  # bytes
MOST_SIGNATURES: Final = 100
MOST_NAME: Final = 255  # bytes; the ML-DSA-44 message gives a name's length in one byte
MOST_SIZE: Final = 2**63 - 1  # leaves

_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Kind(IntEnum):
    """The signature types in use here, by the byte that C2SP signed-note assigns."""

    ED25519 = 0x01  # a log's own
    COSIGNATURE = 0x04  # Ed25519 with a time
    ML_DSA_44 = 0x06  # ML-DSA-44 with a time


_PUBLIC_BYTES = {Kind.ED25519: 32, Kind.COSIGNATURE: 32, Kind.ML_DSA_44: 1312}
_SIGNATURE_BYTES = {Kind.ED25519: 64, Kind.COSIGNATURE: 64, Kind.ML_DSA_44: 2420}  # without the time


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The four bytes that, with the name, point at a key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Vkey:
    """A public key with the name it signs under: what a verifier is configured with."""

    name: str
    kind: Kind
    public: bytes  # 32 bytes of Ed25519, 1,312 of ML-DSA-44

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != _PUBLIC_BYTES[self.kind]:
            raise Malformed(f"A key of type {self.kind.value} has {_PUBLIC_BYTES[self.kind]} bytes.")

    @property
    def id(self) -> bytes:
        """The key id of its signatures."""
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{material}"


def vkey(name: str, kind: int, public: bytes) -> str:
    """A public key as the text that C2SP calls a vkey."""
    return str(Vkey(name, Kind(kind), public))


def parse_vkey(text: str) -> Vkey:
    """The public key that a vkey holds. Raises Malformed when the text, its key id or its type is wrong."""
    parts = text.split("+", 2)  # base64 may hold `+` too, a name may not
    if len(parts) != 3:
        raise Malformed("A verifier key has three parts: name+id+key. Copy it whole.")
    name, identity, material = parts[0], parts[1], decode64(parts[2])
    if not material or material[0] not in set(Kind):
        raise Malformed("This verifier key is of a type that is not in use here: 1, 4 and 6 are.")
    key = Vkey(name, Kind(material[0]), material[1:])
    if key.id.hex() != identity:
        raise Malformed(f"The verifier key of {name!r} does not match its own id {identity[:16]!r}. Copy it again.")
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    id: bytes  # four bytes
    data: bytes  # as the key's type lays it out: for cosignatures a time comes first

    def line(self) -> str:
        """The line of a note, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.id + self.data).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """The signature of a line without its newline."""
        name, space, rest = line.removeprefix(_DASH).partition(" ")
        data = decode64(rest)
        if not line.startswith(_DASH) or not space or len(data) < 5:
            raise Malformed("A signature line is an em dash, a name and base64, with single spaces between them.")
        _check_name(name)
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and who signed it. Nothing is verified until `verify` is called."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note in these bytes. Raises Malformed when `bytes(note)` would differ from them."""
        if len(data) > MOST_NOTE:
            raise Malformed(f"A signed note has at most {MOST_NOTE:,} bytes.")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("A signed note is text in UTF-8, and this is not.") from None
        head, blank, tail = whole.rpartition("\n\n")
        if _CONTROL.search(whole) or not blank or not tail.endswith("\n"):
            raise Malformed(
                "A signed note is a text, an empty line and lines of signatures, without control characters."
            )
        lines = tail[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise Malformed(f"A signed note has at most {MOST_SIGNATURES} signatures here.")
        return cls(head + "\n", tuple(Signature.parse(line) for line in lines))

    def signed(self, more: Iterable[Signature]) -> Note:
        """This note with more signatures; those that it has already stay single."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *more))))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: with so many leaves its root is this."""

    origin: str  # the log's name, also the name of its key
    size: int  # leaves
    root: bytes  # 32 bytes

    def body(self) -> bytes:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    @classmethod
    def parse(cls, text: str | bytes) -> Checkpoint:
        """The checkpoint in a note's text. Raises Malformed when `body` would not give it back."""
        try:
            lines = (text.decode("utf-8") if isinstance(text, bytes) else text).split("\n")
        except UnicodeDecodeError:
            raise Malformed("A checkpoint is text in UTF-8, and this is not.") from None
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise Malformed("A checkpoint has three lines here: origin, size and root.")
        root = decode64(lines[2])
        if not _DECIMAL.fullmatch(lines[1]) or int(lines[1]) > MOST_SIZE or len(root) != 32:
            raise Malformed("A checkpoint's second line is a decimal size and its third a hash of 32 bytes in base64.")
        return cls(lines[0], int(lines[1]), root)


def message(kind: Kind, name: str, text: str, seconds: int) -> bytes:
    """The bytes that a key of this type signs for a note's text. `seconds` counts since 1970, for cosignatures."""
    if kind is Kind.ED25519:
        return text.encode()
    if kind is Kind.COSIGNATURE:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    head = Checkpoint.parse(text)
    names = [struct.pack(">B", len(part)) + part for part in (name.encode(), head.origin.encode()) if len(part) < 256]
    if len(names) != 2:
        raise Malformed(f"An ML-DSA-44 cosignature covers names of at most {MOST_NAME} bytes.")
    return (
        b"subtree/v1\n\0"
        + names[0]
        + struct.pack(">Q", seconds)
        + names[1]
        + struct.pack(">QQ", 0, head.size)
        + head.root
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs notes under one name. The secret stays behind `sign_bytes`: a seed in memory, a KMS or a PKCS#11 device."""

    vkey: Vkey
    sign_bytes: Callable[[bytes], bytes]

    def sign(self, text: str, seconds: int) -> Signature:
        """A signature of a note's text, made at `seconds` since 1970; a log's own signature holds no time."""
        data = self.sign_bytes(message(self.vkey.kind, self.vkey.name, text, seconds))
        stamp = b"" if self.vkey.kind is Kind.ED25519 else struct.pack(">Q", seconds)
        return Signature(self.vkey.name, self.vkey.id, stamp + data)


@dataclass(frozen=True, slots=True)
class Held:
    """A signature that holds."""

    vkey: Vkey
    seconds: int | None  # when a cosigner made it, since 1970; None for a log's own


def verify(note: Note, vkeys: Iterable[Vkey]) -> tuple[Held, ...]:
    """The signatures of known keys, all of which hold; those of unknown keys are passed over.

    Raises Untrusted when one of a known key does not hold, or when there is none of a known key (C2SP signed-note).
    """
    known: dict[tuple[str, bytes], Vkey] = {}
    for key in vkeys:
        if known.setdefault((key.name, key.id), key) != key:
            raise Refused(f"Two trusted keys share the name {key.name!r} and an id. Leave one out.")
    held: dict[Vkey, Held] = {}
    for signature in note.signatures:
        found = known.get((signature.name, signature.id))
        if found is not None and found not in held:
            held[found] = _held(note.text, signature, found)
    if not held:
        raise Untrusted("No signature of this note is by a key that is trusted here. Check the note and the keys.")
    return tuple(held.values())


def _held(text: str, signature: Signature, key: Vkey) -> Held:
    stamp, data = (b"", signature.data) if key.kind is Kind.ED25519 else (signature.data[:8], signature.data[8:])
    seconds = int.from_bytes(stamp, "big")
    try:
        if len(data) != _SIGNATURE_BYTES[key.kind] or seconds > MOST_SIZE:
            raise InvalidSignature
        _public(key).verify(data, message(key.kind, key.name, text, seconds))
    except (InvalidSignature, Malformed, ValueError):
        raise Untrusted(
            f"The signature of {key.name!r} does not hold: this note was changed or is a forgery."
        ) from None
    return Held(key, seconds if stamp else None)


def _public(key: Vkey) -> Ed25519PublicKey | MLDSA44PublicKey:
    if key.kind is Kind.ML_DSA_44:
        return MLDSA44PublicKey.from_public_bytes(key.public)
    return Ed25519PublicKey.from_public_bytes(key.public)


def decode64(text: str) -> bytes:
    """Standard base64 (RFC 4648, 4) in the one spelling that an encoder would give. Raises Malformed otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed("This is not base64.") from None
    if base64.b64encode(data).decode() != text:
        raise Malformed("This base64 has bits that mean nothing. Write it as an encoder would.")
    return data


def _check_name(name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise Malformed("A key's name is text in UTF-8, and this is not.") from None
    if not 1 <= size <= MOST_NAME or "+" in name or any(letter.isspace() for letter in name):
        raise Malformed(f"A key's name is 1 to {MOST_NAME} bytes without white space or `+`.")
    if _CONTROL.search(name):
        raise Malformed("A key's name has no control characters.")
