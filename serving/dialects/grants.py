"""A signed permission to leave files in one folder of the cell, for a while, without a key.

Clients send the upload form without their key, so the address of the form carries the permission: the gate can judge
it before it reads the body. Whoever holds it can add files to one folder that only its tenant reads, nothing more.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Protocol

from serving.desk import Caller
from serving.errors import Forbidden

__all__ = ["Grant", "Hmac", "Signer"]


class Signer(Protocol):
    """Signs what the cell says to itself by way of a client."""

    def sign(self, message: bytes) -> bytes:
        """A signature of at least 128 bits."""

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is this cell's, in constant time."""


class Hmac:
    """HMAC-SHA256 (RFC 2104). The first key signs; all of them are believed, so that keys can change."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or min(map(len, keys)) < 32:
            raise ValueError("A signing key has 32 bytes at least.")
        self._keys = tuple(keys)

    def sign(self, message: bytes) -> bytes:
        """32 bytes."""
        return hmac.digest(self._keys[0], message, sha256)

    def holds(self, message: bytes, signature: bytes) -> bool:
        """True when any of the keys made it."""
        return any(hmac.compare_digest(hmac.digest(key, message, sha256), signature) for key in self._keys)


_PURPOSE = b"equerry upload grant\n"
MOST_TOKEN = 2_048  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Files may be left in one folder until a time."""

    caller: Caller
    folder: str
    most: int  # bytes of one file
    expires: int  # milliseconds since 1970

    def policy(self) -> str:
        """What is granted, as text that can stand in an address. Demands stay out: they have decided already."""
        told = asdict(replace(self, caller=replace(self.caller, demands=None)))
        return _text(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())

    def signature(self, signer: Signer) -> str:
        """The policy's signature, as text."""
        return _text(signer.sign(_PURPOSE + self.policy().encode()))

    def token(self, signer: Signer) -> str:
        """Policy and signature as one part of a path."""
        return f"{self.policy()}.{self.signature(signer)}"

    @classmethod
    def read(cls, token: str, signer: Signer, now: int) -> Grant:
        """A token that this cell has signed and whose time is not over. Raises Forbidden."""
        policy, _, signature = token.partition(".")
        try:
            if len(token) > MOST_TOKEN or not signer.holds(_PURPOSE + policy.encode(), _bytes(signature)):
                raise Forbidden("This upload was not granted here. Ask for a new upload policy.")
            told = json.loads(_bytes(policy))
        except (ValueError, UnicodeError, binascii.Error):
            raise Forbidden("This upload was not granted here. Ask for a new upload policy.") from None
        grant = cls(**{**told, "caller": Caller(**told["caller"])})
        if now >= grant.expires:
            raise Forbidden("The time of this upload is over. Ask for a new upload policy.")
        return grant


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(value: str) -> bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
