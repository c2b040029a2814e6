"""Boxes of MP4 files and of manifests, which are built alike: a length, a kind, and what is in them.

ISO/IEC 14496-12, 4.2, and ISO/IEC 19566-5 (JUMBF). No more of either is read than signing needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np

__all__ = ["Box", "Unfamiliar", "WithRoom", "boxes", "make_room"]

HEAD: Final = 8  # bytes of a box's length and kind
CHUNKS: Final = (b"trak", b"mdia", b"minf", b"stbl")  # on the way from `moov` to the places of a track's chunks
HASHED: Final = (b"moov", b"mdat")
LEFT_OUT: Final = (b"free",)  # what a manifest does not vouch for, beside the file's kind and the manifest itself


class Unfamiliar(ValueError):
    """Boxes that nothing here knows what to do with. Leave them to C2PA's own library."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box lies in the bytes that it was found in."""

    kind: bytes
    start: int
    end: int

    @property
    def inside(self) -> int:
        """Where its contents begin."""
        return self.start + HEAD


@dataclass(frozen=True, slots=True)
class WithRoom:
    """An MP4 that is about to get a box of a known length behind its first."""

    before: memoryview
    after: tuple[memoryview, ...]
    digest: bytes  # SHA-256 over what is behind the new box, as the assertion c2pa.hash.bmff.v3 has it

    def filled(self, box: bytes | bytearray) -> bytes:
        """The whole file."""
        return b"".join((self.before, box, *self.after))


def boxes(body: bytes | bytearray, start: int, end: int) -> Iterator[Box]:
    """Those between two places, which they fill. Raises Unfamiliar for lengths that do not add up."""
    while start < end:
        length = int.from_bytes(body[start : start + 4], "big")
        if not HEAD <= length <= end - start:
            raise Unfamiliar(f"a box of {length} bytes in room for {end - start}")
        yield Box(bytes(body[start + 4 : start + HEAD]), start, start + length)
        start += length


def make_room(body: bytes, length: int) -> WithRoom:
    """Room for `length` bytes behind an MP4's kind. Raises Unfamiliar for more than kind, index, space and media."""
    first, *rest = [*boxes(body, 0, len(body))] or [Box(b"", 0, 0)]
    if first.kind != b"ftyp":
        raise Unfamiliar(f"{first.kind!r} where the file's kind should be")
    whole, digest, after = memoryview(body), sha256(), []
    for box in rest:
        piece = (
            memoryview(_moved(body[box.start : box.end], length)) if box.kind == b"moov" else whole[box.start : box.end]
        )
        if box.kind in HASHED:
            digest.update((box.start + length).to_bytes(8, "big"))
            digest.update(piece)
        elif box.kind not in LEFT_OUT:
            raise Unfamiliar(f"{box.kind!r} in a film")
        after.append(piece)
    return WithRoom(whole[: first.end], tuple(after), digest.digest())


def _moved(moov: bytes, length: int) -> bytearray:
    """The index of a film whose media lie so many bytes further on."""
    out = bytearray(moov)
    for table in _tables(out, Box(b"moov", 0, len(out)), CHUNKS):
        count = int.from_bytes(out[table.inside + 4 : table.inside + 8], "big")
        if table.kind != b"stco" or table.inside + 8 + 4 * count != table.end:
            raise Unfamiliar("a table of chunks that is not of 32 bits")
        places = np.frombuffer(out, ">u4", count, table.inside + 8)
        if count and int(places.max()) + length >= 1 << 32:
            raise Unfamiliar("a film of more than 4 GiB")
        places += np.uint32(length)
    return out


def _tables(moov: bytearray, within: Box, way: tuple[bytes, ...]) -> Iterator[Box]:
    for box in boxes(moov, within.inside, within.end):
        if way and box.kind == way[0]:
            yield from _tables(moov, box, way[1:])
        elif not way and box.kind in (b"stco", b"co64"):
            yield box
