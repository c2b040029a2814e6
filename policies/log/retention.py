"""Retention: entries go when their time is over, the tree stays (C2SP tlog-tiles, pruning by minimum index).

Only whole bundles of entries are removed. Tiles stay, so the root, every later proof and the consistency of heads
still verify. `minimum` says from which index on entries are there, and is written before anything is removed.
"""

from __future__ import annotations

import re
from typing import Final

from policies.errors import Doubt, Refused
from policies.log.disk import Disk, put
from policies.log.tiles import WIDTH, Tile

__all__ = ["MINIMUM", "minimum", "prune"]

MINIMUM: Final = "minimum"  # decimal, with a newline; absent means 0


def minimum(disk: Disk) -> int:
    """The index below which entries may be gone. Raises Doubt when the file that says so is damaged."""
    try:
        text = disk.read(MINIMUM)
    except FileNotFoundError:
        return 0
    if not re.fullmatch(rb"(?:0|[1-9][0-9]{0,18})\n", text):
        raise Doubt(f"The file {MINIMUM} does not hold a number and a newline. Restore it from a copy.")
    return int(text)


def prune(disk: Disk, size: int, index: int) -> list[str]:
    """Remove the full bundles that end at or below `index` in a log of `size` entries; returns their paths.

    The caller holds the lock, and has the customers' contracts and the law for the time that has passed.
    """
    before = minimum(disk)
    if not before <= index <= size:
        raise Refused(f"The minimum index can go from {before:,} up to the size, {size:,}, not to {index:,}.")
    put(disk, {MINIMUM: b"%d\n" % index})
    there = [Tile(-1, n).path for n in range(index // WIDTH) if Tile(-1, n).path.rpartition("/")[2] in _beside(disk, n)]
    for path in there:
        disk.remove(path)
    disk.sync(sorted({path.rpartition("/")[0] for path in there}))
    return there


def _beside(disk: Disk, n: int) -> list[str]:
    return disk.names(Tile(-1, n).path.rpartition("/")[0])
