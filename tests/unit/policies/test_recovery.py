"""A log in doubt does not start and says which doubt; a log that crashed starts and says what it lost."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from policies.errors import Broken, Doubt
from policies.log.disk import Folder, put
from policies.log.entry import Pad
from policies.log.heads import CHECKPOINT, SIGNED, Head
from policies.log.keys import signer_of
from policies.log.memory import Fault, Memory
from policies.log.note import Checkpoint, Kind, Note
from policies.log.pen import Pen
from policies.log.recovery import Lost, recover
from policies.log.tiles import decode_bundle
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
SIGNER = signer_of(Kind.ED25519, ORIGIN, b"1" * 32)
NOW = 1_790_000_000_000


def opened(disk, **options) -> Writer:
    options = {"now": lambda: NOW, "pace": Pace(linger=0), "lint": lambda entry: None, **options}
    return Writer.open(disk, [SIGNER], **options)


@pytest.fixture
def root(tmp_path) -> Path:
    """A log of 300 entries that was closed well."""
    with opened(Folder(tmp_path / "log")) as log:
        for size in (256, 44):
            for future in [log.append(b"entry %d of %d" % (number, size)) for number in range(size)]:
                future.result(30)
    return tmp_path / "log"


def picture(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def drop(path: Path) -> None:
    path.unlink()


def fork(path: Path) -> None:
    """Another head of the same size, properly signed."""
    head = Head.sign(Checkpoint(ORIGIN, 300, b"9" * 32), [SIGNER], NOW // 1000)
    path.write_bytes(bytes(head.note))


def rewind(path: Path) -> None:
    """The head as an old copy of the disk would have it."""
    shutil.copy(path.parent.parent / "checkpoints" / "20260921" / "0", path)


def estrange(path: Path) -> None:
    """A head of another log, signed by the same key under that log's name."""
    signer = signer_of(Kind.ED25519, "other.example/log", b"1" * 32)
    path.write_bytes(bytes(Head.sign(Checkpoint("other.example/log", 300, b"9" * 32), [signer], 0).note))


DOUBTS = {
    "checkpoint is not what was signed": (flip, CHECKPOINT, "checkpoint is not a head"),
    "signed head is not what was signed": (flip, SIGNED, r"\.state/signed is not a head"),
    "signed head is gone": (drop, SIGNED, "is gone"),
    "signed head is of an old copy": (rewind, SIGNED, "old copy"),
    "two heads of one size": (fork, CHECKPOINT, "different roots"),
    "head of another log": (estrange, SIGNED, "not a head signed by"),
    "last tile is damaged": (flip, "tile/0/001.p/44", "do not give the root"),
    "tile under the root is damaged": (flip, "tile/1/000.p/1", "do not give the root"),
    "last tile is gone": (drop, "tile/0/001.p/44", "is gone: "),
    "last bundle is damaged": (flip, "tile/entries/001.p/44", "not those of the last tile|is damaged"),
    "last bundle is gone": (drop, "tile/entries/001.p/44", "is gone: "),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_log_in_doubt_does_not_start_and_nothing_is_touched(root, name):
    harm, path, words = DOUBTS[name]
    harm(root / path)
    before = picture(root)

    with pytest.raises(Doubt, match=words):
        opened(Folder(root))
    assert picture(root) == before


def test_after_a_doubt_the_lock_is_free(root):
    shutil.copy(root / SIGNED, root / "saved")
    (root / SIGNED).unlink()
    disk = Folder(root)
    with pytest.raises(Doubt):
        opened(disk)
    (root / "saved").rename(root / SIGNED)

    opened(disk).close()


def test_a_head_that_was_signed_and_not_published_is_published(root):
    with opened(Folder(root)) as log:
        old = (root / CHECKPOINT).read_bytes()
        log.append(b"one more").result(30)
    shutil.rmtree(root / "checkpoints")
    (root / CHECKPOINT).write_bytes(old)

    opened(Folder(root)).close()

    assert Checkpoint.parse(Note.parse((root / CHECKPOINT).read_bytes()).text).size == 301


def test_a_published_head_of_another_tree_than_the_signed_one_is_a_doubt(root):
    with opened(Folder(root)) as log:
        log.append(b"one more").result(30)
    shutil.rmtree(root / "checkpoints")
    fork(root / CHECKPOINT)

    with pytest.raises(Doubt, match="do not give the root"):
        opened(Folder(root))


def test_files_beyond_the_head_go_to_lost_and_found(root):
    put(Folder(root), {"tile/entries/001.p/50": b"torn", "tile/0/001": b"torn", "tile/0/.002.tmp": b""})

    recovered = recover(Folder(root), SIGNER)

    assert recovered.moved == ("tile/0/.002.tmp", "tile/0/001", "tile/entries/001.p/50")
    assert (root / "lost+found" / "0000-300" / "tile/entries/001.p/50").read_bytes() == b"torn"
    assert recovered.frontier.size == 300


def test_cosignatures_of_the_published_head_survive_a_restart(root):
    witness = signer_of(Kind.COSIGNATURE, "witness.example", b"5" * 32)
    with opened(Folder(root)) as log:
        log.cosign(log.head, [witness.sign(log.head.note.text, 1)], quorum=True)
    opened(Folder(root)).close()

    names = [signature.name for signature in Note.parse((root / CHECKPOINT).read_bytes()).signatures]
    assert names == [ORIGIN, "witness.example"]


def crashed() -> tuple[Memory, str]:
    """A disk on which a batch of five reached barrier A and the power failed; and the pen that wrote it."""
    disk = Memory()
    log = opened(disk, fatal=lambda error: None)
    pen = Pen(log, now=lambda: NOW, rng=os.urandom)
    for _ in range(3):
        pen.write(Pad()).result(10)
    disk.plan = lambda number, name, paths: Fault.LOST if name == "write" and paths[0] == ".state/.signed.tmp" else None
    with log._turn:
        futures = [pen.write(Pad()) for _ in range(5)]
    with pytest.raises(Broken):
        futures[0].result(10)
    log._thread.join(10)
    return disk.crash(random.Random(0)), pen.writer


def entries_of(disk: Memory) -> list[dict[str, object]]:
    size = Checkpoint.parse(Note.parse(disk.read(CHECKPOINT)).text).size
    return [json.loads(entry) for entry in decode_bundle(disk.read(f"tile/entries/000.p/{size}"))]


def test_what_reached_the_disk_and_was_never_acknowledged_is_named_in_a_gap_entry():
    disk, writer = crashed()

    with opened(disk, halted=True) as log:
        assert log.lost == (Lost(writer, 3, 7),)
        Pen.open(log, now=lambda: NOW, rng=os.urandom)

    gap = entries_of(disk)[-1]
    assert {key: gap[key] for key in ("t", "gw", "from", "to", "why")} == {
        "t": "gap",
        "gw": writer,
        "from": 3,
        "to": 7,
        "why": "crash",
    }


def test_a_gap_is_reported_until_its_entry_is_durable_and_then_no_more():
    disk, writer = crashed()

    opened(disk, halted=True).close()  # closed before a pen wrote the gap
    with opened(disk) as log:
        assert log.lost == (Lost(writer, 3, 7),)
        Pen.open(log, now=lambda: NOW, rng=os.urandom)
    with opened(disk) as log:
        assert log.lost == ()


def test_a_new_log_begins_with_a_signed_head_of_nothing(tmp_path):
    with opened(Folder(tmp_path / "log")) as log:
        assert log.head.checkpoint.size == 0
    assert (tmp_path / "log" / SIGNED).exists()
