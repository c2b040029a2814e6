"""What a writer keeps of its log: the right edge of the tree, of the tiles and of the entries. Growing it is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.log.tiles import WIDTH, Tile, encode_bundle
from policies.log.tree import Edge, leaf_hash, root_of

__all__ = ["Frontier", "Growth", "grow"]


@dataclass(frozen=True, slots=True)
class Frontier:
    """A log of `size` entries, as far as its next entry needs to know it."""

    edge: Edge = field(default_factory=Edge)  # grown in copies only
    entries: tuple[bytes, ...] = ()  # of the last bundle while it is partial
    tiles: tuple[tuple[bytes, ...], ...] = ((),)  # by level: the hashes of the last tile while it is partial

    @property
    def size(self) -> int:
        """Entries so far."""
        return self.edge.size


@dataclass(frozen=True, slots=True)
class Growth:
    """What a batch of entries makes of a log."""

    frontier: Frontier
    leaves: tuple[bytes, ...]  # hashes of the new entries
    files: dict[str, bytes]  # new bundles and tiles by path
    filled: tuple[Tile, ...]  # tiles and bundles that are full now, so that their partial files may go


def grow(frontier: Frontier, entries: Sequence[bytes]) -> Growth:
    """The log with these entries at its end."""
    edge, leaves = frontier.edge.copy(), tuple([leaf_hash(entry) for entry in entries])
    edge.extend(leaves)
    work = _Work(list(frontier.entries), [list(tile) for tile in frontier.tiles])
    for number, (entry, leaf) in enumerate(zip(entries, leaves, strict=True), frontier.size):
        work.bundle.append(entry)
        work.hash(0, leaf, number)
    work.partial(edge.size, {level: len(tile) for level, tile in enumerate(frontier.tiles)})
    tiles = tuple(tuple(tile) for tile in work.tiles)
    return Growth(Frontier(edge, tuple(work.bundle), tiles), leaves, work.files, tuple(work.filled))


@dataclass(slots=True)
class _Work:
    """Bundles and tiles while they fill."""

    bundle: list[bytes]
    tiles: list[list[bytes]]
    files: dict[str, bytes] = field(default_factory=dict)
    filled: list[Tile] = field(default_factory=list)

    def hash(self, level: int, value: bytes, number: int) -> None:
        """Put the `number`-th hash of a level; a full tile sends its root one level up."""
        if level == len(self.tiles):
            self.tiles.append([])
        tile = self.tiles[level]
        tile.append(value)
        if len(tile) < WIDTH:
            return
        n = number // WIDTH
        self._file(Tile(level, n), tile)
        self.filled += [Tile(level, n)] if level else [Tile(-1, n), Tile(0, n)]
        self.tiles[level] = []
        if level == 0:
            self.bundle = []
        self.hash(level + 1, root_of(tile), n)

    def partial(self, size: int, before: dict[int, int]) -> None:
        """The files at the edge that are not full and are not yet written with this width."""
        for level, tile in enumerate(self.tiles):
            n = (size >> 8 * level) // WIDTH
            if tile and (len(tile) != before.get(level, 0) or any(done.level == level for done in self.filled)):
                self._file(Tile(level, n, len(tile)), tile)

    def _file(self, tile: Tile, hashes: list[bytes]) -> None:
        self.files[tile.path] = b"".join(hashes)
        if tile.level == 0:
            self.files[Tile(-1, tile.n, tile.width).path] = encode_bundle(self.bundle)
