"""Starting a log: what its disk holds is believed only as far as a signed head covers it, or not at all.

After a crash, files beyond the head were never promised to anybody: they move to `lost+found/`, and the sequence
numbers that they held are reported, so that gap entries can name them. When signed heads, tiles and entries disagree,
nothing is touched and a `Doubt` says which of them do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from policies.errors import Doubt, Malformed
from policies.log.disk import Disk, put
from policies.log.frontier import Frontier
from policies.log.heads import CHECKPOINT, HALTED, SIGNED, Head, kept, read_head
from policies.log.note import Signer
from policies.log.retention import minimum
from policies.log.tiles import WIDTH, Tile, decode_bundle, nodes, parse_path, read_hashes, width_at
from policies.log.tree import Edge, Node, leaf_hash

__all__ = ["LOST_AND_FOUND", "Lost", "Recovered", "note_lost", "recover"]

LOST_AND_FOUND: Final = (
    "lost+found"  # holds <number>-<size>/<old path>, and `noted` once gap entries name what is there
)
_FOLDER = re.compile(r"(?:x[0-9]{3}|[0-9]{3}\.p)", re.ASCII)  # what a crash may leave empty


@dataclass(frozen=True, slots=True, order=True)
class Lost:
    """Entries of one writer that reached the disk and were never acknowledged: these numbers, both included."""

    writer: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """A log as it stands on its disk."""

    frontier: Frontier
    head: Head | None  # with every signature that was published with it; None for a log that is just being made
    lost: tuple[Lost, ...] = ()
    moved: tuple[str, ...] = ()  # files that are in lost+found now, by their old paths


def recover(disk: Disk, signer: Signer, *, halted: bool = False) -> Recovered:
    """The log on a disk whose lock the caller holds. Raises Doubt, having touched nothing, when it cannot be relied on.

    After the disk failed under the writer it stays down until a person says, with `halted`, that the disk is sound.
    """
    if HALTED.rpartition("/")[2] in disk.names(".state") and not halted:
        raise Doubt("The disk failed under this log's writer. Check the disk, then run `equerry audit recover`.")
    signed, published = _heads(disk, signer)
    if signed is None:
        return Recovered(Frontier(), None)
    frontier = _frontier(disk, signed, published)
    moved = _set_aside(disk, frontier.size)
    if published and published.checkpoint == signed.checkpoint:
        signed = Head(published.note.signed(signed.note.signatures), signed.checkpoint)
    return Recovered(frontier, signed, tuple(_ranges(_unnoted(disk))), moved)


def note_lost(disk: Disk) -> None:
    """Remember that gap entries name everything in lost+found, once these are durable."""
    put(disk, {f"{folder}/noted": b"" for folder in _folders_unnoted(disk)})


def _heads(disk: Disk, signer: Signer) -> tuple[Head | None, Head | None]:
    """The newest head that was signed and the one that was published, once the heads on the disk agree."""
    published, signed = read_head(disk, CHECKPOINT, signer), read_head(disk, SIGNED, signer)
    if signed is None:
        if published or kept(disk) or any(_files(disk, "tile")):
            raise Doubt(f"There is a log, and {SIGNED}, which says what was signed last, is gone. Restore that file.")
        return None, None
    size = signed.checkpoint.size
    newest = max([number for number, _ in kept(disk)] + ([published.checkpoint.size] if published else [0]))
    if newest > size:
        raise Doubt(
            f"A head of {newest:,} entries was published, and {SIGNED} knows of {size:,} only. The disk may be an old "
            "copy; to write on would fork the log."
        )
    if published and published.checkpoint.size == size and published.checkpoint.root != signed.checkpoint.root:
        raise Doubt(f"Two heads of {size:,} entries are signed, with different roots. Keep both for the auditors.")
    return signed, published


def _frontier(disk: Disk, signed: Head, published: Head | None) -> Frontier:
    """The right edge of the tree under a head, read from the disk and proven against the roots."""
    size = signed.checkpoint.size
    try:
        node = nodes(size, disk.read)
        edge = Edge(size, _peaks(size, node))
        tiles = tuple(tuple(_edge_tile(disk, level, size)) for level in range(_levels(size)))
        entries = _last_entries(disk, size)
        for head in (signed, published):
            _check_root(head, node)
    except FileNotFoundError as error:
        raise Doubt(
            f"A file under the signed head is gone: {error.filename}. Restore it; nothing was changed."
        ) from None
    except Malformed as error:
        raise Doubt(f"A file under the signed head is damaged. {error} Nothing was changed.") from None
    first = size - len(entries)
    if [leaf_hash(entry) for entry in entries] != [node(0, index) for index in range(first, size)]:
        raise Doubt("The entries of the last bundle are not those of the last tile. Nothing was changed.")
    return Frontier(edge, tuple(entries) if size % WIDTH else (), tiles)


def _check_root(head: Head | None, node: Node) -> None:
    if head is None:
        return
    size = head.checkpoint.size
    if Edge(size, _peaks(size, node)).root() != head.checkpoint.root:
        raise Doubt(f"The tiles of {size:,} entries do not give the root that was signed. Nothing was changed.")


def _peaks(size: int, node: Node) -> Iterator[bytes]:
    """The roots of the full subtrees that make up a tree, widest first."""
    low = 0
    while low < size:
        level = (size - low).bit_length() - 1
        yield node(level, low >> level)
        low += 1 << level


def _levels(size: int) -> int:
    """Levels of tiles in a tree, at least one."""
    return max(1, -(-size.bit_length() // 8))


def _edge_tile(disk: Disk, level: int, size: int) -> list[bytes]:
    """The hashes of the last tile of a level while it is partial."""
    n, width = divmod(size >> 8 * level, WIDTH)
    return read_hashes(disk.read, Tile(level, n, width)) if width else []


def _last_entries(disk: Disk, size: int) -> list[bytes]:
    """The entries of the last bundle, full or partial; none when retention removed it."""
    if size == 0 or (size % WIDTH == 0 and minimum(disk) >= size):
        return []
    n = (size - 1) // WIDTH
    width = width_at(0, size, n)
    entries = decode_bundle(_either(disk, Tile(-1, n, width)))[:width]
    if len(entries) < width:
        raise Malformed(f"The last bundle holds {len(entries)} entries, not {width}.")
    return entries


def _either(disk: Disk, tile: Tile) -> bytes:
    """The bytes of a partial tile or, when it was tidied away, of the full one."""
    try:
        return disk.read(tile.path)
    except FileNotFoundError:
        return disk.read(tile.full.path)


def _set_aside(disk: Disk, size: int) -> tuple[str, ...]:
    """Move what no signed head covers out of the way. Nobody was ever told of it."""
    beyond = sorted(path for path in _files(disk, "tile") if not _covered(path, size))
    if not beyond:
        return ()
    folder = f"{LOST_AND_FOUND}/{len(disk.names(LOST_AND_FOUND)):04d}-{size}"
    touched: set[str] = set()
    for path in beyond:
        there, here = str(PurePosixPath(folder, path).parent), str(PurePosixPath(path).parent)
        touched.update((*disk.make(there), there, here))
        disk.rename(path, f"{folder}/{path}")
    disk.sync(sorted(touched))
    return tuple(beyond)


def _covered(path: str, size: int) -> bool:
    try:
        tile = parse_path(path)
    except Malformed:
        return False
    return width_at(tile.level, size, tile.n) >= tile.width


def _files(disk: Disk, folder: str) -> Iterator[str]:
    """Every file below a folder. A name with nothing below it is a file, unless it is one of our empty folders."""
    for name in disk.names(folder):
        path, empty = f"{folder}/{name}", True
        for inner in _files(disk, path):
            empty = False
            yield inner
        if empty and not _FOLDER.fullmatch(name) and not disk.names(path) and path.count("/") > 1:
            yield path


def _folders_unnoted(disk: Disk) -> list[str]:
    folders = [f"{LOST_AND_FOUND}/{name}" for name in disk.names(LOST_AND_FOUND)]
    return [folder for folder in folders if "noted" not in disk.names(folder)]


def _unnoted(disk: Disk) -> set[tuple[str, int]]:
    """(writer, number) of the entries in lost+found that no gap entry names for certain."""
    found: set[tuple[str, int]] = set()
    for folder in _folders_unnoted(disk):
        size = folder.rpartition("-")[2]
        if size.isdecimal():
            for path in _files(disk, folder):
                found.update(_numbers(disk, path, path.removeprefix(f"{folder}/"), int(size)))
    return found


def _numbers(disk: Disk, path: str, name: str, size: int) -> Iterator[tuple[str, int]]:
    """(writer, number) of the entries from index `size` on in one bundle, if it is one and not torn."""
    try:
        tile = parse_path(name)
        entries = decode_bundle(disk.read(path)) if tile.level < 0 else []
    except Malformed:
        return
    for entry in entries[max(0, size - tile.n * WIDTH) :]:
        try:
            fields = json.loads(entry)
            yield str(fields["w"]), int(fields["n"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # torn, or not an entry of ours: there is no number to report


def _ranges(numbers: Iterable[tuple[str, int]]) -> Iterator[Lost]:
    """Runs of numbers without holes."""
    run: Lost | None = None
    for writer, number in sorted(numbers):
        if run and (run.writer, run.last + 1) == (writer, number):
            run = Lost(writer, run.first, number)
            continue
        if run:
            yield run
        run = Lost(writer, number, number)
    if run:
        yield run
