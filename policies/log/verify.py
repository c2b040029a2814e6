"""Does everything in a log hold, as far as its bytes can say? Nothing but the trust policy is believed.

Signatures and quorum of the head; every tile and every entry under it; every head that was kept, or that the auditor
has from earlier; the schema, entry by entry; the writers' numbers; decision, execution and marking of each request;
and, if asked, every decision made again under the archived policy. What does not hold is a `Finding`; only input that
is no log at all is an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from policies.errors import Malformed, PolicyError, Refused, Untrusted
from policies.log.completeness import GRACE, Trail
from policies.log.finding import Finding
from policies.log.lint import schema_digest
from policies.log.names import Names
from policies.log.note import Checkpoint, Note
from policies.log.note import verify as signatures
from policies.log.reader import Log, open_source
from policies.log.replays import Replays
from policies.log.scan import Chunk, Row, level_up, scan
from policies.log.sequence import Sequences
from policies.log.tiles import WIDTH, Tile, parse_path, tiles_of, width_at
from policies.log.tree import Edge
from policies.log.trust import Trust

__all__ = ["MOST_SHOWN", "Options", "Report", "verify"]

MOST_SHOWN: Final = 100  # findings of one code that a report holds in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked of a verification beyond the usual."""

    since: bytes | None = None  # a head that the auditor has from earlier
    replay: bool = False
    new_list: bytes | None = None  # lists as of now
    grace: int = GRACE  # milliseconds that a request may be under way
    processes: int = 1
    tell: Callable[[int, int], None] = lambda done, of: None  # noqa: ARG005 - entries done, of how many


@dataclass(slots=True)
class Report:
    """What a verification found."""

    origin: str = ""
    size: int = 0
    root: str = ""  # hexadecimal
    kinds: Counter[str] = field(default_factory=Counter)  # entries by kind
    heads: int = 0  # earlier heads that the log was held against
    pruned: int = 0  # entries that are gone, by retention
    requests: int = 0
    pending: int = 0  # requests under way
    carried: int = 0  # requests whose decision lies before this log
    replayed: int = 0
    not_replayed: int = 0  # denials for a reason that no document holds, such as a stale table
    bytes: int = 0  # of entries
    findings: list[Finding] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.codes

    def add(self, *found: Finding | None) -> None:
        """Take findings in; of each code the first hundred are kept, and all are counted."""
        for one in found:
            if one is not None:
                self.codes[one.code] += 1
                if self.codes[one.code] <= MOST_SHOWN or one.code == "listed":
                    self.findings.append(one)


@dataclass(frozen=True, slots=True)
class _Known:
    """A head from earlier, and where it comes from."""

    path: str
    head: Checkpoint


def verify(path: Path, trust: Trust, options: Options | None = None) -> Report:
    """What holds in a folder or zip and what does not. Raises Refused when that is no log, or `since` no head of it."""
    options = options or Options()
    report, log = Report(), Log(open_source(path))
    note = log.head()
    try:
        head = trust.check(note)
    except (Untrusted, Malformed) as error:
        report.add(Finding("head.untrusted", "checkpoint", str(error)))
        return report  # whatever lies below is anybody's
    report.origin, report.size, report.root = head.origin, head.size, head.root.hex()
    known = [*_since(options.since, trust, head), *_kept(log, trust, head, report)]
    pass_ = _Pass(log, head, options, report)
    keep = frozenset(one.head.size // WIDTH for one in known) | {head.size // WIDTH}
    for chunk in scan(path, head.size, keep=keep, replay=pass_.reads_grounds, processes=options.processes):
        pass_.take(chunk)
        options.tell(min(head.size, (chunk.n + 1) * WIDTH), head.size)
    pass_.end(known)
    return report


def _since(data: bytes | None, trust: Trust, head: Checkpoint) -> Iterator[_Known]:
    if data is None:
        return
    try:
        earlier = _signed(Note.parse(data), trust)
    except Malformed as error:
        raise Malformed(f"The earlier head cannot be used: {error} Name a file `checkpoint` that you kept.") from None
    if earlier.origin != head.origin:
        raise Refused(
            f"The earlier head is of {earlier.origin!r}, and this log is {head.origin!r}. Name one of its own."
        )
    yield _Known("the earlier head", earlier)


def _kept(log: Log, trust: Trust, head: Checkpoint, report: Report) -> Iterator[_Known]:
    for path in log.kept():
        try:
            kept = _signed(log.head(path), trust)
            if kept.origin != head.origin or str(kept.size) != path.rpartition("/")[2]:
                raise Malformed("It is a head of another log or size than its place says.")
            yield _Known(path, kept)
        except PolicyError as error:
            report.add(Finding("head.kept", path, str(error)))


def _signed(note: Note, trust: Trust) -> Checkpoint:
    """A head that its log signed. Witnesses come later than heads, so no quorum is asked of earlier ones."""
    head = Checkpoint.parse(note.text)
    signatures(note, [key for key in trust.logs if key.name == head.origin])
    return head


class _Pass:
    """What one pass over the entries gathers."""

    def __init__(self, log: Log, head: Checkpoint, options: Options, report: Report) -> None:
        self.log, self.head, self.report = log, head, report
        self.roots: list[bytes] = []  # of full bundles
        self.leaves: dict[int, bytes] = {}  # of the bundles in which a head ends
        self.names = Names()
        midway = log.minimum >= WIDTH
        self.sequences, self.trail = Sequences(midway=midway), Trail(midway=midway, grace=options.grace)
        self.replays = Replays(log, replay=options.replay, new_list=options.new_list)
        self.reads_grounds = self.replays.wanted
        self.takes: dict[bytes, Callable[[int, Row], None]] = {
            b"route.decision": self._decision,
            b"route.execution": self._execution,
            b"output.marked": self._marked,
            b"gap": self._gap,
            b"canary": self._canary,
            b"shard.open": self._opened,
            b"sla.window": lambda index, row: self.names.seen(row[4], index),
        }

    def take(self, chunk: Chunk) -> None:
        """One bundle."""
        report = self.report
        report.add(*chunk.findings)
        report.bytes += chunk.bytes
        if (chunk.n + 1) * WIDTH <= self.head.size:
            self.roots.append(chunk.root)
        if chunk.leaves:
            self.leaves[chunk.n] = chunk.leaves
        if not chunk.rows and (chunk.n + 1) * WIDTH <= self.log.minimum:
            report.pruned += min(WIDTH, self.head.size - chunk.n * WIDTH)
        rows = [row for row in chunk.rows if row is not None]
        for kind, count in Counter(row[0] for row in rows).items():
            report.kinds[kind.decode()] += count
        if rows:  # times have 13 digits, so the greatest text is the greatest number
            self.trail.at(int(rows[0][1]), int(max(row[1] for row in rows)))
        for index, row in enumerate(chunk.rows, chunk.n * WIDTH):
            if row is not None:
                self._row(index, row)

    def _row(self, index: int, row: Row) -> None:
        if found := self.sequences.add(index, row[2], int(row[3])):
            self.report.add(found)
        if take := self.takes.get(row[0]):
            take(index, row)

    def _decision(self, index: int, row: Row) -> None:
        region = row[-1] if row[5] == b"allow" else None
        self.report.add(self.trail.decided(index, int(row[1]), row[4], row[5], region))
        if region is not None:
            self.names.seen(region, index)
        self.names.catalogue(row[6])
        if self.reads_grounds:
            self.replays.decided(index, row)

    def _execution(self, index: int, row: Row) -> None:
        self.names.seen(row[6], index)
        self.report.add(self.trail.executed(index, int(row[1]), row[4], row[5], row[6], int(row[7])))
        if self.reads_grounds:
            self.replays.executed(index, int(row[1]), row[4], row[6])

    def _marked(self, index: int, row: Row) -> None:
        self.report.add(self.trail.marked(index, int(row[1]), row[4]))

    def _gap(self, _index: int, row: Row) -> None:
        self.sequences.gap(row[4], int(row[5]), int(row[6]))

    def _canary(self, index: int, row: Row) -> None:
        self.names.seen(row[5], index)
        if row[4] != b"deny":
            words = "A request that must be denied was allowed: the rules do not hold. Stop serving and look."
            self.report.add(Finding("canary.allowed", f"entry {index}", words, index))

    def _opened(self, index: int, row: Row) -> None:
        if row[4].decode() != schema_digest():
            words = (
                "It names a schema other than the one that this version ships. Verify with the version that wrote it."
            )
            self.report.add(Finding("schema.unknown", f"entry {index}", words, index))
        if json.loads(row[5] or b"{}").get("size"):  # the head of the log before this one, if there is one
            self.trail.midway = True

    def end(self, known: Iterable[_Known]) -> None:
        """What can be said only when every entry was seen."""
        report = self.report
        report.add(*self._tiles(), *self._heads(known), *self.sequences.findings(), *self.trail.findings())
        report.add(*self.names.findings(self.log), *self.replays.findings())
        report.requests, report.pending, report.carried = self.trail.requests, self.trail.pending, self.trail.carried
        report.replayed, report.not_replayed = self.replays.replayed, self.replays.not_replayed

    def _tiles(self) -> Iterator[Finding]:
        """Tiles above the first level, and partial ones that were left when their place had filled further."""
        for tile in tiles_of(self.head.size):
            if tile.level:
                yield from self._tile(tile, self._hashes(tile))
        yield from self._left()

    def _hashes(self, tile: Tile) -> list[bytes]:
        """What a tile above the first level must hold."""
        return self._subtrees[8 * (tile.level - 1)][tile.n * WIDTH : tile.n * WIDTH + tile.width]

    @cached_property
    def _subtrees(self) -> list[list[bytes]]:
        """The roots over 1, 2, 4, ... full bundles."""
        levels = [self.roots]
        while len(levels[-1]) > 1:
            levels.append(level_up(levels[-1]))
        return levels

    def _tile(self, tile: Tile, hashes: list[bytes]) -> Iterator[Finding]:
        try:
            if self.log.tile(tile.level, tile.n, tile.width) != hashes:
                yield Finding("tile.differs", tile.path, "It does not hold the hashes of the tiles below it.")
        except FileNotFoundError:
            yield Finding("tile.missing", tile.path, "The tile is not there. Ask the operator for the whole log.")
        except Malformed as error:
            yield Finding("tile.differs", tile.path, str(error))

    def _left(self) -> Iterator[Finding]:
        for path in self.log.source.paths("tile"):
            if ".p/" not in path:
                continue
            try:
                tile = parse_path(path)
                hashes = self._beginning(tile)
                if hashes is not None and self.log.tile(tile.level, tile.n, tile.width) != hashes:
                    yield Finding("tile.differs", path, "This partial tile does not begin the tile in its place.")
            except (Malformed, FileNotFoundError) as error:
                yield Finding("tile.differs", path, str(error))

    def _beginning(self, tile: Tile) -> list[bytes] | None:
        """What a partial tile must hold; None when it is of entries, lies beyond the head, or was checked already."""
        width = width_at(tile.level, self.head.size, tile.n)
        if tile.level < 0 or tile.width >= width:
            return None
        if tile.level:
            return self._hashes(tile)
        leaves = self.leaves.get(tile.n)
        if leaves is None:
            return self.log.tile(0, tile.n, width)[: tile.width]
        return [leaves[place : place + 32] for place in range(0, 32 * tile.width, 32)]

    def _heads(self, known: Iterable[_Known]) -> Iterator[Finding]:
        """The newest head and every earlier one against the entries."""
        if self._root(self.head.size) != self.head.root:
            yield Finding("root.differs", "checkpoint", "The entries do not give the root that the head states.")
        for one in known:
            self.report.heads += 1
            if one.head.size > self.head.size:
                words = (
                    f"It states {one.head.size:,} entries, and the log has {self.head.size:,}: entries were taken away."
                )
                yield Finding("head.forked", one.path, words)
            elif self._root(one.head.size) != one.head.root:
                words = f"The first {one.head.size:,} entries are not those it states: the log was rewritten or forked."
                yield Finding("head.forked", one.path, words)

    def _root(self, size: int) -> bytes:
        """The root over the first entries, of which the last bundle's leaves were kept."""
        full, rest = divmod(size, WIDTH)
        edge = Edge(full * WIDTH, self._peaks(full))
        leaves = self.leaves.get(full, b"")
        edge.extend(leaves[place : place + 32] for place in range(0, 32 * rest, 32))
        return edge.root()

    def _peaks(self, full: int) -> Iterator[bytes]:
        """The roots of the widest subtrees over the first full bundles, widest first."""
        begin = 0
        for level in reversed(range(full.bit_length())):
            if full >> level & 1:
                yield self._subtrees[level][begin >> level]
                begin += 1 << level
