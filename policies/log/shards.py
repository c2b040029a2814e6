"""Shards: a log ends every half-year, and the next one names it.

A shard is a log of its own, with its own origin, keys and folder. Its first entry, `shard.open`, states the last head
of the one before it; the last entry of that one, `shard.close`, names its successor. So a key signs for half a year,
retention drops whole shards, and an auditor can walk the chain in both directions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from policies.errors import Doubt, Refused
from policies.log.disk import Folder
from policies.log.entry import Head as HeadEntry
from policies.log.entry import ShardClosed, ShardOpened
from policies.log.heads import SIGNED, Head
from policies.log.keys import has_signed, log_signers, note_signed
from policies.log.lint import schema
from policies.log.pen import Pen
from policies.log.tiles import Tile, decode_bundle, width_at
from policies.log.writer import Pace, Writer

__all__ = ["Series", "half_year"]

KINDS: Final = ("residency", "control")
PATIENCE: Final = 60.0  # seconds for an entry that opens or closes a shard
_SHARD = re.compile(r"[0-9]{4}h[12]", re.ASCII)


def half_year(now: int) -> str:
    """The shard of a moment, given in milliseconds since 1970: 2026h2."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return f"{moment.year:04d}h{1 if moment.month <= 6 else 2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The shards of one kind of log in one cell."""

    root: Path  # holds <kind>/<shard>; lies on storage of the cell
    keys: Path  # holds the seeds; no copy of `root` includes it
    domain: str  # the operator's
    cell: str
    kind: str  # residency or control

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Refused(f"A log is of one of the kinds {', '.join(KINDS)}, not {self.kind!r}.")

    def origin(self, shard: str) -> str:
        """The name of a shard, which is also the name of its key."""
        return f"{self.domain}/equerry/{self.cell}/{self.kind}/{shard}"

    def folder(self, shard: str) -> Path:
        """Where a shard lies."""
        return self.root / self.kind / shard

    def shards(self) -> list[str]:
        """The shards that are there, oldest first."""
        home = self.root / self.kind
        return sorted(path.name for path in home.iterdir() if _SHARD.fullmatch(path.name)) if home.is_dir() else []

    def open(self, *, now: Callable[[], int], rng: Callable[[int], bytes], pace: Pace | None = None) -> Pen:
        """A pen for the shard of this half-year. The first time, the shard before it is closed and named.

        `now` gives milliseconds since 1970, `rng` so many random bytes. Raises Doubt when a later shard exists, or when
        the shard of this half-year was begun before and is gone.
        """
        shard, there = half_year(now()), self.shards()
        if there and there[-1] > shard:
            raise Doubt(f"There is a shard {there[-1]}, and the clock says {shard}. Set the clock right.")
        earlier = [name for name in there if name < shard]
        before = self._closed(earlier[-1], self.origin(shard), now, rng) if earlier else None
        pen = self._pen(shard, now, rng, pace)
        if pen.log.head.checkpoint.size == 0:
            opened = ShardOpened(schema=pen.log.store(schema()), prev=_entry(before) if before else None)
            pen.write(opened).result(PATIENCE)
        note_signed(self.keys, self.origin(shard))
        return pen

    def _pen(self, shard: str, now: Callable[[], int], rng: Callable[[int], bytes], pace: Pace | None) -> Pen:
        begun = (self.folder(shard) / SIGNED).exists()  # a log that lost its seed gets no new one
        if not begun and (note := has_signed(self.keys, self.origin(shard))):
            raise Doubt(
                f"The log {self.origin(shard)} has been signed before, and {self.folder(shard)} holds nothing of it. "
                f"Restore it: a second log under one key is a forgery to auditors. If it is lost for good, keep a "
                f"record of that and take {note} away."
            )
        signers = log_signers(self.keys, self.origin(shard), rng=None if begun else rng)
        log = Writer.open(Folder(self.folder(shard)), signers, now=now, pace=pace)
        return Pen.open(log, now=now, rng=rng)

    def _closed(self, shard: str, successor: str, now: Callable[[], int], rng: Callable[[int], bytes]) -> Head:
        """The last head of an earlier shard, which is closed now if it was not."""
        pen = self._pen(shard, now, rng, Pace(linger=0))
        with pen.log as log:
            if _last_kind(self.folder(shard), log.head.checkpoint.size) != ShardClosed.KIND:
                pen.write(ShardClosed(next=successor)).result(PATIENCE)
            return log.head


def _entry(head: Head) -> HeadEntry:
    checkpoint = head.checkpoint
    return HeadEntry(origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root.hex())


def _last_kind(folder: Path, size: int) -> str | None:
    """The kind of a log's last entry."""
    if size == 0:
        return None
    n = (size - 1) // 256
    path = folder / Tile(-1, n, width_at(-1, size, n)).path
    full = folder / Tile(-1, n).path
    entries = decode_bundle((path if path.exists() else full).read_bytes())
    return str(json.loads(entries[(size - 1) % 256])["t"])
