"""A process that writes a log is killed at random moments, fifty times over; nothing that it acknowledged is lost."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policies.log.keys import signer_of
from policies.log.note import Checkpoint, Kind, Note, verify
from policies.log.tiles import Tile, decode_bundle, width_at
from policies.log.tree import leaf_hash, root_of

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
KILLS = 50

# Opens the log, says where it stands, and writes until it is killed. What was acknowledged goes to a pipe, whose bytes
# outlive the process: index and digest on a line.
PROGRAM = f"""
import hashlib, itertools, os, sys, time
from pathlib import Path
from policies.log.disk import Folder
from policies.log.keys import signer_of
from policies.log.note import Kind
from policies.log.writer import Pace, Writer

run = sys.argv[2]
signer = signer_of(Kind.ED25519, {ORIGIN!r}, b"1" * 32)
clock = lambda: time.time_ns() // 1_000_000
log = Writer.open(Folder(Path(sys.argv[1])), [signer], now=clock, pace=Pace(linger=0), lint=lambda entry: None)
os.write(1, b"open\\n")
for turn in itertools.count():
    batch = [f"{{run}} {{turn}} {{number}}".encode().ljust(700, b".") for number in range(1 + turn * 7 % 90)]
    for entry, future in [(entry, log.append(entry)) for entry in batch]:
        os.write(1, f"{{future.result(60).index}} {{hashlib.sha256(entry).hexdigest()}}\\n".encode())
"""


def killed(root: Path, run: int, rng: random.Random) -> dict[int, str]:
    """What a process had acknowledged when it was killed: after so many acknowledgements and a moment, both random."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), str(run)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n", "the log did not start after the last kill"
    first = b"".join(process.stdout.readline() for _ in range(rng.randint(0, 200)))
    time.sleep(rng.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    lines = first + rest
    assert process.returncode == -signal.SIGKILL
    whole = lines[: lines.rfind(b"\n") + 1].decode().splitlines()
    return {int(index): digest for index, digest in (line.split() for line in whole)}


def entries_of(root: Path) -> tuple[Checkpoint, list[bytes]]:
    """The log's head, its signature verified, and its entries."""
    note = Note.parse((root / "checkpoint").read_bytes())
    verify(note, [signer_of(Kind.ED25519, ORIGIN, b"1" * 32).vkey])
    head = Checkpoint.parse(note.text)
    tiles = [Tile(-1, n, width_at(0, head.size, n)) for n in range(-(-head.size // 256))]
    paths = [path if (path := root / tile.path).exists() else root / tile.full.path for tile in tiles]
    bundles = [decode_bundle(path.read_bytes())[: tile.width] for path, tile in zip(paths, tiles, strict=True)]
    return head, [entry for bundle in bundles for entry in bundle]


@pytest.mark.slow
def test_fifty_kills_lose_no_acknowledged_entry_and_leave_a_log_that_verifies(tmp_path):
    rng = random.Random(20261121)
    acknowledged: dict[int, str] = {}
    for run in range(KILLS):
        acknowledged.update(killed(tmp_path / "log", run, rng))
        head, entries = entries_of(tmp_path / "log")
        assert (len(entries), root_of(map(leaf_hash, entries))) == (head.size, head.root)

    kept = {index: hashlib.sha256(entries[index]).hexdigest() for index in acknowledged}
    assert kept == acknowledged
    assert len(acknowledged) > KILLS
