"""The pass over every entry: bundle by bundle, on as many processes as there are cores to spare.

A bundle is checked alone: its entries against their tile, each entry against the schema. What later checks need of an
entry (a `Row`) comes back with the root over the bundle, so that no entry is read twice.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from policies.errors import Malformed
from policies.log.finding import Finding
from policies.log.lint import Lint, shipped
from policies.log.reader import Log, open_source
from policies.log.tiles import HASH, WIDTH, entries_path, tile_path

__all__ = ["Chunk", "Row", "check_chunk", "level_up", "scan"]

Row = tuple[
    bytes, ...
]  # kind, ts, writer, number, then the fields of `WANTED` for the kind, `sel` last where there is one

#: What later checks read of each kind. A field that an entry leaves out is None.
WANTED: Final[dict[bytes, tuple[str, ...]]] = {
    b"route.decision": ("req", "dec", "cat"),
    b"route.execution": ("req", "dec2", "region", "out_bytes"),
    b"output.marked": ("req",),
    b"gap": ("gw", "from", "to"),
    b"canary": ("dec", "region"),
    b"shard.open": ("schema", "prev"),
    b"sla.window": ("region",),
    b"catalog.activate": ("new",),
}
REPLAYED: Final = ("pol", "lst", "con", "cls", "pur", "sub", "cand", "rules")
PARALLEL: Final = 20_000  # entries from which starting processes is worth their start
_SIZE: Final = 16  # bundles that a process takes at a time


@dataclass(frozen=True, slots=True)
class Chunk:
    """One bundle of entries, checked."""

    n: int
    root: bytes  # over its leaves; of a full bundle, a hash of level 8
    leaves: bytes  # 32 bytes each; empty unless asked for
    rows: list[Row | None] = field(default_factory=list)  # None for an entry that fails lint
    findings: list[Finding] = field(default_factory=list)
    bytes: int = 0  # of its entries


def scan(path: Path, size: int, *, keep: frozenset[int], replay: bool, processes: int) -> Iterator[Chunk]:
    """Every bundle of a log of `size` entries, in order; with leaves for the bundles in `keep`."""
    count = -(-size // WIDTH)
    check = partial(_check, size=size, keep=keep, replay=replay)
    if processes < 2 or size < PARALLEL:
        _begin(path)
        yield from map(check, range(count))
        return
    spawned = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(processes, mp_context=spawned, initializer=_begin, initargs=(path,)) as pool:
        yield from pool.map(check, range(count), chunksize=_SIZE)


_here: dict[str, tuple[Log, Lint]] = {}  # of this process: opened once, not for each bundle


def _begin(path: Path) -> None:
    _here["log"] = (Log(open_source(path)), shipped())


def _check(n: int, *, size: int, keep: frozenset[int], replay: bool) -> Chunk:
    log, lint = _here["log"]
    return check_chunk(log, lint, n, min(WIDTH, size - n * WIDTH), keep=n in keep, replay=replay)


def check_chunk(log: Log, lint: Lint, n: int, width: int, *, keep: bool, replay: bool) -> Chunk:
    """One bundle: against its tile, and every entry against the schema."""
    findings: list[Finding] = []
    tile = _tile(log, n, width, findings)
    entries = _bundle(log, n, width, findings)
    if entries is None:
        leaves = tile or [bytes(HASH)] * width
        return Chunk(n, _root(leaves), b"".join(leaves) if keep else b"", [], findings)
    leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    if tile is not None and tile != leaves:
        findings.extend(_changed(n * WIDTH, tile, leaves))
    rows = _rows(n * WIDTH, entries, lint, replay, findings)
    return Chunk(n, _root(leaves), b"".join(leaves) if keep else b"", rows, findings, sum(map(len, entries)))


def _tile(log: Log, n: int, width: int, findings: list[Finding]) -> list[bytes] | None:
    path = tile_path(0, n, width)
    try:
        return log.tile(0, n, width)
    except FileNotFoundError:
        findings.append(Finding("tile.missing", path, "The tile is not there. Ask the operator for the whole log."))
    except Malformed as error:
        findings.append(Finding("tile.differs", path, str(error)))
    return None


def _bundle(log: Log, n: int, width: int, findings: list[Finding]) -> list[bytes] | None:
    path = entries_path(n, width)
    try:
        return log.bundle(n, width)
    except FileNotFoundError:
        if (n + 1) * WIDTH > log.minimum:
            words = "The entries are not there, and are above the index to which the log was pruned."
            findings.append(Finding("bundle.missing", path, words))
    except Malformed as error:
        findings.append(Finding("bundle.malformed", path, str(error)))
    return None


def _changed(first: int, tile: list[bytes], leaves: list[bytes]) -> Iterator[Finding]:
    for index, (stated, found) in enumerate(zip(tile, leaves, strict=True), first):
        if stated != found:
            yield Finding("entry.changed", f"entry {index}", "Its hash is not the one in its tile.", index)


def _rows(first: int, entries: list[bytes], lint: Lint, replay: bool, findings: list[Finding]) -> list[Row | None]:
    rows: list[Row | None] = []
    fields: dict[int, tuple[str, ...]] = {}  # by the expression, which is compared by identity: hashing it is slow
    for index, entry in enumerate(entries, first):
        try:
            found = lint.match(entry)
        except Malformed as error:
            findings.append(Finding("lint", f"entry {index}", str(error), index))
            rows.append(None)
            continue
        wanted = fields.get(id(found.re))
        if wanted is None:
            wanted = fields[id(found.re)] = _wanted(found, replay)
        rows.append(found.group(*wanted))
    return rows


def _wanted(found: re.Match[bytes], replay: bool) -> tuple[str, ...]:
    there = WANTED.get(found["t"], ())
    if found["t"] == b"route.decision":
        there = (*there, *(REPLAYED if replay else ()), "sel")
    return ("t", "ts", "w", "n", *(name for name in there if name in found.re.groupindex))


def level_up(hashes: list[bytes]) -> list[bytes]:
    """The hashes one level further up; what stands alone at the end is not hashed."""
    sha256 = hashlib.sha256
    pairs = zip(hashes[::2], hashes[1::2], strict=False)
    return [sha256(b"\1" + left + right).digest() for left, right in pairs]


def _root(leaves: list[bytes]) -> bytes:
    """The root over up to 256 leaves (RFC 6962): an odd one at the end goes up as it is."""
    while len(leaves) > 1:
        leaves = level_up(leaves) + leaves[len(leaves) & ~1 :]
    return leaves[0]
