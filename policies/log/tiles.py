"""Tiles: how the tree and its entries lie in files, so that anyone's tools can read them (C2SP tlog-tiles).

A tile holds up to 256 hashes of 32 bytes; at level l each hash is the root over 256**l leaves. A bundle holds the up to
256 entries under one tile of level 0. A full file never changes; a partial one has its width in its name. Paths are
relative to the log's folder and use `/`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from policies.errors import Malformed, Refused
from policies.log.tree import Node, root_of

__all__ = [
    "HASH",
    "MOST_ENTRY",
    "WIDTH",
    "Tile",
    "decode_bundle",
    "decode_tile",
    "encode_bundle",
    "entries_path",
    "nodes",
    "parse_path",
    "read_hashes",
    "tile_path",
    "tiles_for",
    "tiles_of",
    "width_at",
]

WIDTH: Final = 256  # hashes in a full tile, entries in a full bundle
HASH: Final = 32  # bytes
MOST_ENTRY: Final = 65_535  # bytes that a bundle's length field can say; the writer's own limit is lower
_MOST_LEVEL: Final = 7  # 256**8 leaves are more than any size this code accepts
_MOST_INDEX: Final = 2**63

_NAME = re.compile(r"tile/(entries|0|[1-9][0-9]?)((?:/x[0-9]{3})*/[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile, or with level -1 one bundle of entries."""

    level: int
    n: int  # from the left, within its level
    width: int = WIDTH  # hashes or entries it holds

    @property
    def path(self) -> str:
        """Where it lies in the log's folder."""
        folder = "entries" if self.level < 0 else str(self.level)
        return f"tile/{folder}/{_digits(self.n)}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @property
    def full(self) -> Tile:
        """The same place when nothing more fits into it."""
        return Tile(self.level, self.n)


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Where the n-th tile of a level lies."""
    return Tile(level, n, width).path


def entries_path(n: int, width: int = WIDTH) -> str:
    """Where the n-th bundle of entries lies."""
    return Tile(-1, n, width).path


def parse_path(path: str) -> Tile:
    """The tile that a path names. Raises Malformed when `tile_path` or `entries_path` would not write it so."""
    found = _NAME.fullmatch(path)
    if found is None or len(path) > 100:
        raise Malformed(f"{path[:100]!r} is not the path of a tile or of a bundle of entries.")
    level = -1 if found[1] == "entries" else int(found[1])
    tile = Tile(level, int(found[2].replace("/x", "").replace("/", "")), int(found[3] or WIDTH))
    if tile.path != path or tile.level > 63 or tile.n >= _MOST_INDEX:
        raise Malformed(f"{path!r} names a tile in a way of its own. Write it as C2SP tlog-tiles says.")
    return tile


def _digits(n: int) -> str:
    """1234067 as x001/x234/067."""
    parts = [f"{n % 1000:03d}"]
    while n := n // 1000:
        parts.append(f"x{n % 1000:03d}")
    return "/".join(reversed(parts))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries one after the other, each behind its length in two bytes, most significant first."""
    if not 1 <= len(entries) <= WIDTH:
        raise Refused(f"A bundle holds 1 to {WIDTH} entries, not {len(entries)}.")
    if any(len(entry) > MOST_ENTRY for entry in entries):
        raise Refused(f"An entry is longer than {MOST_ENTRY:,} bytes, which a bundle cannot say.")
    return b"".join([part for entry in entries for part in (struct.pack(">H", len(entry)), entry)])


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises Malformed when they do not end where the bytes end."""
    entries: list[bytes] = []
    place, end = 0, len(data)
    while place < end:
        start = place + 2
        place = start + (data[start - 2] << 8) + data[start - 1] if start <= end else end + 1
        if place > end or len(entries) == WIDTH:
            raise Malformed(f"This bundle of entries is cut off, or holds more than {WIDTH}.")
        entries.append(data[start:place])
    if not entries:
        raise Malformed("This bundle of entries is empty.")
    return entries


def decode_tile(data: bytes, width: int = WIDTH) -> list[bytes]:
    """The hashes of a tile of the width that its name says. Raises Malformed when the bytes are more or fewer."""
    if len(data) != width * HASH:
        raise Malformed(f"A tile of width {width} has {width * HASH:,} bytes, not {len(data):,}.")
    return [data[place : place + HASH] for place in range(0, len(data), HASH)]


def width_at(level: int, size: int, n: int) -> int:
    """How many hashes the n-th tile of a level holds in a tree of `size` leaves; 0 when there is no such tile."""
    return max(0, min(WIDTH, (size >> 8 * max(level, 0)) - n * WIDTH))


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size` leaves, level by level, without the bundles of entries."""
    return tiles_for(0, size)


def tiles_for(old_size: int, new_size: int) -> Iterator[Tile]:
    """The tiles that a tree has at `new_size` and did not have at `old_size`. A bundle goes with each of level 0."""
    if not 0 <= old_size <= new_size:
        raise Refused(f"A tree does not shrink from {old_size} to {new_size} leaves.")
    for level in range(_MOST_LEVEL + 1):
        before, after = old_size >> 8 * level, new_size >> 8 * level
        if before == after:
            return
        for n in range(before // WIDTH, -(-after // WIDTH)):
            yield Tile(level, n, width_at(level, new_size, n))


def read_hashes(read: Callable[[str], bytes], tile: Tile) -> list[bytes]:
    """The hashes of a tile. A partial one may be gone once the full one is there; then that one's beginning serves."""
    try:
        return decode_tile(read(tile.path), tile.width)
    except FileNotFoundError:
        if tile.width == WIDTH:
            raise
        return decode_tile(read(tile.full.path))[: tile.width]


def nodes(size: int, read: Callable[[str], bytes]) -> Node:
    """The full subtrees of a tree of `size` leaves, read from its tiles; `read` is given paths.

    `read` raises FileNotFoundError for what is not there. What is read is not yet proven: whoever checks the proof, or
    the root, proves it.
    """

    hashes = lru_cache(maxsize=4096)(lambda tile: read_hashes(read, tile))

    def node(level: int, index: int) -> bytes:
        high, low = divmod(level, 8)
        first = index << low
        n, offset = divmod(first, WIDTH)
        if index + 1 << level > size:
            raise Refused(f"A tree of {size} entries has no full subtree {index} at level {level}.")
        return root_of(hashes(Tile(high, n, width_at(high, size, n)))[offset : offset + (1 << low)])

    return node
