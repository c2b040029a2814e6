"""How fast the residency log acknowledges, beside a yardstick, and how fast all of its hashes verify.

    python -m benchmarks.log [--json] [--entries N] [--folder DIR]

The yardstick is the least that durability costs: the same bytes, appended to one file in the same batches, each batch
with one fsync. The log syncs several files and folders a batch, builds the tree and signs, so it is slower; by how
much is what this shows. Both run in turns on the same disk, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from policies.log.disk import Folder
from policies.log.entry import Candidates, Decision, Stamp, Where, encode
from policies.log.keys import signer_of
from policies.log.note import Checkpoint, Kind, Note, verify
from policies.log.tiles import Tile, decode_bundle, decode_tile, tiles_of, width_at
from policies.log.tree import leaf_hash, root_of
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
ROUNDS = 3
PROMISED = {"acknowledged": 5_000, "verified": 100_000}  # entries a second


def decision(number: int) -> bytes:
    """A decision as the router writes it."""
    where = Where(jur="EU", cc="FR", prov="scaleway", own="EU")
    said = Decision(
        ten="t-0123456789abcdef", req=f"r-{number:032x}", cls="personal", pur="generation", sub="EU", dec="allow",
        rules=("permit",), cand=Candidates(eligible=7, denied={"jurisdiction-allowed": 61}),
        pol="a" * 64, cat="b" * 64, lst="c" * 64, con="d" * 64, sel="scaleway/fr-par", where=where,
    )  # fmt: skip
    stamp = Stamp(ts=1_790_000_000_000, id=f"{number:032x}", salt=f"{number:032x}", w="w-0123456789abcdef", n=number)
    return encode(said, stamp)


def batches(entries: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))


def log_rate(root: Path, entries: list[bytes], size: int) -> tuple[float, list[float]]:
    """Entries a second that a caller gets acknowledged who waits for each batch; and the seconds of each batch."""
    signers = [signer_of(Kind.ED25519, ORIGIN, b"1" * 32), signer_of(Kind.ML_DSA_44, f"{ORIGIN}/pq", b"2" * 32)]
    log = Writer.open(Folder(root), signers, now=lambda: time.time_ns() // 1_000_000, pace=Pace(most=size))

    def commit(batch: list[bytes]) -> None:
        for future in [log.append(entry) for entry in batch]:
            future.result(60)

    with log:
        return timed(entries, size, commit)


def yardstick_rate(root: Path, entries: list[bytes], size: int) -> tuple[float, list[float]]:
    """The same for bare appends with one fsync a batch."""
    root.mkdir(parents=True)
    descriptor = os.open(root / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def commit(batch: list[bytes]) -> None:
        os.write(descriptor, b"".join(batch))
        os.fsync(descriptor)

    try:
        return timed(entries, size, commit)
    finally:
        os.close(descriptor)


def timed(entries: list[bytes], size: int, commit: Callable[[list[bytes]], None]) -> tuple[float, list[float]]:
    seconds = []
    for batch in batches(entries, size):
        start = time.perf_counter()
        commit(batch)
        seconds.append(time.perf_counter() - start)
    return len(entries) / sum(seconds), seconds


def verify_rate(root: Path) -> tuple[int, float]:
    """Entries, and entries a second, of a full verification: signatures, every entry, every tile, the root."""
    start = time.perf_counter()
    note = Note.parse((root / "checkpoint").read_bytes())
    verify(note, [signer_of(Kind.ED25519, ORIGIN, b"1" * 32).vkey])
    head = Checkpoint.parse(note.text)
    below: list[bytes] = []
    for n in range(-(-head.size // 256)):
        below += map(leaf_hash, decode_bundle((root / Tile(-1, n, width_at(-1, head.size, n)).path).read_bytes()))
    if root_of(below) != head.root:
        raise SystemExit("the root does not verify")
    for tile in tiles_of(head.size):
        if tile.level and not tile.n:
            below = [root_of(below[first : first + 256]) for first in range(0, len(below) // 256 * 256, 256)]
        if decode_tile((root / tile.path).read_bytes(), tile.width) != below[tile.n * 256 :][: tile.width]:
            raise SystemExit(f"{tile.path} does not verify")
    return head.size, head.size / (time.perf_counter() - start)


def measure(folder: Path | None, count: int) -> dict[str, object]:
    """All figures, as a document: the medians of the rounds."""
    entries = [decision(number) for number in range(count)]
    rows, sizes, verified = [], (1, 64, 256, 1024), []
    for size in sizes:
        ours, plain, waits = [], [], []
        share = entries[: min(count, 200 * size)]
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=folder) as home:
                plain.append(yardstick_rate(Path(home, "plain"), share, size)[0])
                rate, seconds = log_rate(Path(home, "log"), share, size)
                ours.append(rate)
                waits += seconds
                if size == sizes[-1]:
                    verified.append(verify_rate(Path(home, "log")))
        rows.append(
            {
                "batch": size,
                "entries_per_s": round(statistics.median(ours)),
                "fsynced_appends_per_s": round(statistics.median(plain)),
                "wait_p50_ms": round(statistics.median(waits) * 1000, 2),
                "wait_p99_ms": round(sorted(waits)[int(len(waits) * 0.99)] * 1000, 2),
            }
        )
    return {
        "entry_bytes": len(entries[0]),
        "cores": os.cpu_count(),
        "write": rows,
        "verified_entries": verified[0][0],
        "verified_per_s": round(statistics.median(rate for _, rate in verified)),
        "promised_per_s": PROMISED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--entries", type=int, default=20_000, help="entries of a round (20,000)")
    parser.add_argument("--folder", type=Path, help="where to write; it should lie on the disk in question")
    asked = parser.parse_args()
    found = measure(asked.folder, asked.entries)
    if asked.json:
        json.dump(found, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    table = Table(title=f"residency log, entries of {found['entry_bytes']} bytes, {found['cores']} cores")
    for name in ("entries in a batch", "log, entries/s", "fsynced appends, entries/s", "wait p50, ms", "wait p99, ms"):
        table.add_column(name, justify="right")
    for row in found["write"]:  # type: ignore[attr-defined]  # a list of rows, see `measure`
        table.add_row(*(f"{value:,}" for value in row.values()))
    Console().print(table)
    Console().print(
        f"full verification: {found['verified_per_s']:,} entries/s over {found['verified_entries']:,} entries"
    )


if __name__ == "__main__":
    main()
