"""A sealed object: AES-256-GCM in pieces, so that a part of it can be read without the rest. Pure.

    head (64 bytes): b"equerry.sealed/1" | id of the data key (16) | salt (32)
    piece 0, 1, …: 65,536 bytes of content each, the last one less or none, and 16 bytes of tag each

Every object has a key of its own, drawn from the tenant's data key, the salt and the object's name (HKDF, RFC 5869), so
a piece's place can be its nonce and never repeats under one key (NIST SP 800-38D). The nonce also says whether a piece
is the last one. So pieces cannot be swapped, left out or cut off, nor moved to another object or another tenant,
without the reader seeing it; Hoang, Reyhanitabar, Rogaway and Vizár call this shape STREAM.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from serving.errors import Broken

__all__ = ["HEAD", "PIECE", "TAG", "Box", "Head", "content_size", "sealed_size"]

MAGIC: Final = b"equerry.sealed/1"
ID: Final = 16  # bytes
SALT: Final = 32
HEAD: Final = len(MAGIC) + ID + SALT
PIECE: Final = 1 << 16  # bytes of content
TAG: Final = 16


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the pieces, for everybody to read."""

    id: str  # of the data key: 32 hexadecimal digits
    salt: bytes

    def write(self) -> bytes:
        """As bytes."""
        return MAGIC + bytes.fromhex(self.id) + self.salt

    @classmethod
    def read(cls, start: bytes) -> Head | None:
        """From the first bytes of an object; None for one that is not sealed."""
        if len(start) < HEAD or not start.startswith(MAGIC):
            return None
        return cls(start[len(MAGIC) : len(MAGIC) + ID].hex(), start[HEAD - SALT : HEAD])


class Box:
    """Seals and opens the pieces of one object. Raises Broken for a piece that is not what was sealed."""

    def __init__(self, data_key: bytes, name: str, head: Head) -> None:
        """`data_key` is the tenant's, 32 bytes; `name` is the object's in full."""
        own = HKDF(SHA256(), 32, head.salt, MAGIC + b"\0" + name.encode()).derive(data_key)
        self._cipher, self._head, self.name = AESGCM(own), head.write(), name

    def seal(self, number: int, content: bytes, *, last: bool) -> bytes:
        """One piece."""
        return self._cipher.encrypt(_nonce(number, last=last), content, self._head)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """The content of one piece."""
        try:
            return self._cipher.decrypt(_nonce(number, last=last), sealed, self._head)
        except InvalidTag:
            raise Broken(
                f"Piece {number} of {self.name} is not what was sealed. Restore the object, and look at the store."
            ) from None

    def seal_whole(self, content: bytes) -> bytes:
        """The object: head and pieces."""
        return b"".join((self._head, *self._pieces(content)))

    def open_whole(self, sealed: bytes) -> bytes:
        """The content of an object."""
        return b"".join(self.open_part(0, sealed[HEAD:], ends=True))

    def open_part(self, first: int, sealed: bytes, *, ends: bool) -> Iterator[bytes]:
        """The contents of whole pieces from number `first` on; `ends` says that the object's last one is among them."""
        step = PIECE + TAG
        count = max(1, -(-len(sealed) // step))
        for place in range(count):
            piece = sealed[place * step : (place + 1) * step]
            yield self.open(first + place, piece, last=ends and place == count - 1)

    async def seal_stream(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The object, as its content arrives; holds one piece and what came last."""
        yield self._head
        waiting, number = bytearray(), 0
        async for some in content:
            waiting += some
            while len(waiting) > PIECE:
                yield self.seal(number, bytes(waiting[:PIECE]), last=False)
                del waiting[:PIECE]
                number += 1
        yield self.seal(number, bytes(waiting), last=True)

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        count = max(1, -(-len(content) // PIECE))
        for number in range(count):
            yield self.seal(number, content[number * PIECE : (number + 1) * PIECE], last=number == count - 1)


def sealed_size(content: int) -> int:
    """Bytes of a sealed object."""
    return HEAD + content + TAG * max(1, -(-content // PIECE))


def content_size(sealed: int) -> int:
    """Bytes of what is in a sealed object. Raises Broken for a size that no sealed object has."""
    whole, rest = divmod(sealed - HEAD, PIECE + TAG)
    content = whole * PIECE + max(0, rest - TAG)
    if sealed < HEAD + TAG or sealed_size(content) != sealed:
        raise Broken("A sealed object was cut off. Restore it, and look at the store.")
    return content


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")
