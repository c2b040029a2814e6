"""Ed25519 over canonical bytes: who vouches for a catalogue, an overlay, lists or rules.

What is signed begins with the kind of document, so that a signature over lists can never pass for one over a
catalogue. A signature is a small JSON file beside its document, and a trust file says whose signatures count for what
and until when. With the public key in PEM, `openssl pkeyutl -verify -rawin` checks the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.canonical import Value, encode, sha256
from policies.errors import Malformed, Untrusted

__all__ = ["EPOCH", "Kind", "Signature", "Signed", "Trust", "TrustedKey", "key_id", "message", "read_json", "sign"]

MOST_BYTES: Final = 1 << 22  # of one document as JSON
EPOCH: Final = date(1970, 1, 1).toordinal()  # days are counted from here

M = TypeVar("M", bound=BaseModel)
Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{1,200}={0,2}$")]


class Kind(StrEnum):
    """What a signature is about; the value stands in what is signed."""

    CATALOGUE = "catalogue"
    OVERLAY = "overlay"
    LISTS = "lists"
    POLICY = "policy"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Signature(_Document):
    """What stands in a `.sig` file."""

    v: Literal["equerry.signature/1"] = "equerry.signature/1"
    kind: Kind
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    signature: Base64

    @classmethod
    def parse(cls, text: bytes) -> Signature:
        """A signature from JSON. Raises Malformed."""
        return checked(cls, text, "signature")


class TrustedKey(_Document):
    """A public key, and what its signatures count for."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    public: Base64  # 32 bytes
    signs: Annotated[frozenset[Kind], Field(min_length=1)]
    until: date  # the last day on which its signatures count

    def load(self) -> Ed25519PublicKey:
        """The key itself. Raises Malformed when these are not 32 bytes of base64."""
        try:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public, validate=True))
        except (ValueError, binascii.Error):
            raise Malformed(f"The trusted key {self.name} is not 32 bytes of base64; copy it again.") from None


class Trust(_Document):
    """Whose signatures count."""

    v: Literal["equerry.trust/1"] = "equerry.trust/1"
    keys: Annotated[tuple[TrustedKey, ...], Field(max_length=64)]

    @classmethod
    def parse(cls, text: bytes) -> Trust:
        """Trusted keys from JSON. Raises Malformed, also when one of the keys cannot be one."""
        trust = checked(cls, text, "trust file")
        for key in trust.keys:
            key.load()
        return trust

    def check(self, kind: Kind, document: bytes, signature: Signature | None, day: int) -> TrustedKey:
        """The key that signed these canonical bytes. Raises Untrusted with the reason why it does not count."""
        if signature is None:
            raise Untrusted(
                f"The {kind} is not signed. Sign it with `equerry policy sign`, or take the one it came from."
            )
        if signature.kind is not kind:
            raise Untrusted(
                f"This is a signature over {signature.kind}, not over {kind}; take the one that lies beside the file."
            )
        key = self._find(signature, kind, day)
        try:
            key.load().verify(_raw(signature.signature), message(kind, document))
        except InvalidSignature:
            raise Untrusted(
                f"The signature by {key.name} does not fit this {kind}: it was changed after it was signed. "
                "Compare it with the original, and sign it again if the change is meant."
            ) from None
        return key

    def _find(self, signature: Signature, kind: Kind, day: int) -> TrustedKey:
        for key in self.keys:
            if key_id(key.load()) == signature.key:
                if kind not in key.signs:
                    raise Untrusted(
                        f"The key {key.name} is trusted, but not to sign this kind: {kind}. See the trust file."
                    )
                if day > days(key.until):
                    raise Untrusted(f"The key {key.name} is trusted until {key.until} only; sign with a newer key.")
                return key
        raise Untrusted(
            f"Nobody trusts the key {signature.key} that signed this {kind}. "
            "Add its public half to the trust file if you know whose it is."
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A document as it lies in a file, with what lies beside it."""

    text: bytes
    signature: bytes | None

    def canonical(self, kind: Kind, trust: Trust, day: int) -> bytes:
        """The document's canonical bytes, once a trusted key vouches for them. Raises Malformed or Untrusted."""
        document = encode(read_json(self.text, kind))
        trust.check(kind, document, None if self.signature is None else Signature.parse(self.signature), day)
        return document


def sign(kind: Kind, document: bytes, private: Ed25519PrivateKey) -> Signature:
    """A signature over a document's canonical bytes."""
    signature = base64.b64encode(private.sign(message(kind, document))).decode()
    return Signature(kind=kind, key=key_id(private.public_key()), signature=signature)


def message(kind: Kind, document: bytes) -> bytes:
    """What is signed: a line that separates the kinds, then the canonical bytes."""
    return b"equerry." + kind.encode() + b"/1\n" + document


def key_id(key: Ed25519PublicKey) -> str:
    """How a signature names its key: the first 16 hexadecimal digits of the key's SHA-256."""
    return sha256(key.public_bytes_raw())[:16]


def days(day: date) -> int:
    """Whole days since 1970-01-01."""
    return day.toordinal() - EPOCH


def read_json(text: bytes, what: str) -> Value:
    """The JSON value of a file that a person may have laid out. Raises Malformed; a key that stands twice is wrong."""
    if len(text) > MOST_BYTES:
        raise Malformed(f"The {what} has {len(text):,} bytes, and {MOST_BYTES:,} are allowed.")
    try:
        value: Value = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Malformed(f"The {what} lies too deep within itself to be one.") from None
    except ValueError as error:
        raise Malformed(f"The {what} is not JSON in UTF-8: {error}.") from None
    return value


def checked(kind: type[M], text: bytes, what: str) -> M:
    """A document of ours from JSON, every field known and of its type. Raises Malformed with the place."""
    document = encode(read_json(text, what))
    try:
        return kind.model_validate_json(document, strict=True)
    except ValidationError as error:
        raise Malformed(_told(error.errors(include_url=False, include_input=False), what)) from None


def _told(errors: Sequence[Any], what: str) -> str:
    place = ".".join(str(part) for part in errors[0]["loc"])
    reason = str(errors[0]["msg"]).removeprefix("Value error, ")
    return f"The {what} does not hold{f' at {place}' if place else ''}: {reason}."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed("The signature is not base64; copy the file again.") from None
