"""How fast a log is verified, beside bare SHA-256 over the same bytes: `python -m benchmarks.verify [--json]`.

The log is written once, with entries of three kinds as a cell writes them. Each figure is the median of the repeats.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from policies.log.entry import Candidates, Decision, Entry, Execution, Manifest, Marked, Stamp, Watermark, Where, encode
from policies.log.lint import lint
from policies.log.note import Checkpoint, Kind, Note, Signer, Vkey
from policies.log.tiles import WIDTH, encode_bundle, entries_path, tiles_of
from policies.log.tree import Edge, leaf_hash, root_of
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
START = 1_795_276_800_000


def digits(number: int, width: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()[:width]


def story(number: int) -> Iterator[Entry]:
    """One request: decided, executed, marked."""
    ten, req, digest, region = "t-0123456789abcdef", f"r-{digits(number, 32)}", digits(-1, 64), "aws/eu-central-1"
    cand = Candidates(eligible=3, denied={"region-confirmed": 40, "jurisdiction-allowed": 36})
    where = Where(jur="EU", cc="DE", prov="aws", own="US")
    yield Decision(
        ten=ten, req=req, cls="personal", pur="generation", sub="EU", dec="allow", rules=("permit",), cand=cand,
        pol=digest, cat=digest, lst=digest, con=digest, sel=region, where=where,
    )  # fmt: skip
    yield Execution(
        ten=ten, req=req, region=region, evid="endpoint", dec2="allow", ms=8_000, gpu="H100", in_bytes=90,
        out_bytes=1_600_000, egress=digest,
    )  # fmt: skip
    manifest, mark = Manifest(manifest=digest, cert=digest), Watermark(alg="equerry", ver=1, pid=digits(number, 12))
    yield Marked(ten=ten, req=req, out=digits(-number, 64), c2pa=manifest, wm=mark, vis=False)


def lines(count: int) -> Iterator[bytes]:
    """That many entries."""
    n = 0
    for number in range(count):
        for entry in story(number):
            if n == count:
                return
            stamp = Stamp(ts=START + n, id=digits(n, 32), salt=digits(~n, 32), w="w-0123456789abcdef", n=n)
            yield encode(entry, stamp)
            n += 1


def lay(folder: Path, whole: list[bytes]) -> str:
    """Write a log's folder; returns a trust policy for it."""
    leaves = [leaf_hash(line) for line in whole]
    levels = {0: leaves}
    for tile in tiles_of(len(whole)):
        below = levels[tile.level][tile.n * WIDTH : tile.n * WIDTH + tile.width]
        files = {tile.path: b"".join(below)}
        if tile.level == 0:
            files[entries_path(tile.n, tile.width)] = encode_bundle(whole[tile.n * WIDTH : tile.n * WIDTH + tile.width])
        if tile.width == WIDTH:
            levels.setdefault(tile.level + 1, []).append(root_of(below))
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    edge = Edge()
    edge.extend(leaves)
    key = Ed25519PrivateKey.generate()
    signer = Signer(Vkey(ORIGIN, Kind.ED25519, key.public_key().public_bytes_raw()), key.sign)
    text = Checkpoint(ORIGIN, edge.size, edge.root()).body().decode()
    (folder / "checkpoint").write_bytes(bytes(Note(text, (signer.sign(text, 0),))))
    return f"log {signer.vkey}\nquorum none\n"


def bare(folder: Path, size: int) -> None:
    """The yardstick: read the bundles and hash each entry, and nothing else."""
    for n in range(-(-size // WIDTH)):
        data = (folder / entries_path(n, min(WIDTH, size - n * WIDTH))).read_bytes()
        place = 0
        while place < len(data):
            (length,) = struct.unpack_from(">H", data, place)
            hashlib.sha256(data[place + 2 : place + 2 + length]).digest()
            place += 2 + length


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds by the wall clock, and of this process's own processor time."""
    wall, own = [], []
    for _ in range(repeats):
        clock, cpu = perf_counter(), process_time()
        work()
        wall.append(perf_counter() - clock)
        own.append(process_time() - cpu)
    return statistics.median(wall), statistics.median(own)


def measure(entries: int, repeats: int) -> list[dict[str, object]]:
    """One row a way of going through the log."""
    with tempfile.TemporaryDirectory() as name:
        folder, whole = Path(name), list(lines(entries))
        trust = parse_trust(lay(folder, whole))
        cores = len(os.sched_getaffinity(0))

        def full(processes: int) -> None:
            report = verify(folder, trust, Options(processes=processes))
            if not report.holds or report.size != entries:
                raise SystemExit(f"The log of the benchmark does not hold: {report.codes}")

        ways: dict[str, Callable[[], object]] = {
            "bare SHA-256 of each entry": lambda: bare(folder, entries),
            "lint alone, in memory": lambda: deque(map(lint, whole), maxlen=0),
            "full verification, 1 process": lambda: full(1),
            f"full verification, {cores} processes": lambda: full(cores),
        }
        rows: list[dict[str, object]] = []
        for way, work in ways.items():
            wall, own = timed(work, repeats)
            rows.append(
                {
                    "what": way,
                    "entries": entries,
                    "bytes_per_entry": sum(map(len, whole)) // entries,
                    "entries_per_s": round(entries / wall),
                    # Of little meaning with several processes, whose time is not this one's.
                    "entries_per_cpu_s": round(entries / own),
                }
            )
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Entries verified per second, beside bare SHA-256.")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--entries", type=int, default=100_000, help="entries in the log")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median counts")
    asked = parser.parse_args()
    rows = measure(max(1, asked.entries), max(1, asked.repeats))
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("what", "entries/s", "entries/s of own CPU time", "bytes an entry")
    for row in rows:
        table.add_row(
            str(row["what"]), f"{row['entries_per_s']:,}", f"{row['entries_per_cpu_s']:,}", str(row["bytes_per_entry"])
        )
    Console().print(table)


if __name__ == "__main__":
    main()
