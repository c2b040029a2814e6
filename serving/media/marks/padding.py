"""The room that a signature was given and did not need.

A manifest's place in a film is measured before it is signed, so a signature gets more room than it takes, and C2PA
fills the rest with zeros under the name `pad`. Nothing hashes them: whoever writes something else there goes unnoticed
by the library. Here it is noticed.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_empty"]

STORE: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # a box of C2PA in an MP4
PAD: Final = b"\x63pad"  # the name in CBOR, of four bytes; its value is a string of bytes (RFC 8949, 3.1)
LENGTHS: Final = {0x58: 1, 0x59: 2, 0x5A: 4}  # bytes of the length that follows; below them the length itself


def is_empty(body: bytes) -> bool:
    """Whether nothing but zeros is in the padding of an MP4's signature; without padding that is so."""
    start = body.find(STORE)
    end = start - 8 + int.from_bytes(body[start - 8 : start - 4], "big")
    place = body.rfind(PAD, start, end) if start >= 8 else -1  # the signature is the last of a manifest, which is last
    if place < 0:
        return True
    padding = _string(body[place + len(PAD) : end])
    return not any(padding)


def _string(cbor: bytes) -> bytes:
    """The string of bytes that this begins with; one byte that is not zero for anything else."""
    head = cbor[0] if cbor else 0
    wide = LENGTHS.get(head, 0)
    length = int.from_bytes(cbor[1 : 1 + wide], "big") if wide else head - 0x40
    return cbor[1 + wide : 1 + wide + length] if wide or 0x40 <= head < 0x58 else b"\x01"
