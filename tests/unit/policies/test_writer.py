"""A log takes entries from many callers, one writer at a time, and acknowledges what is durable."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import Broken, Malformed, Refused, Unavailable
from policies.log.disk import Folder
from policies.log.entry import Pad, ShardClosed
from policies.log.frontier import Frontier, grow
from policies.log.keys import create_seed, log_signers, read_seed, signer_of
from policies.log.memory import Fault, Memory
from policies.log.note import Checkpoint, Kind, Note, verify
from policies.log.pen import Pen
from policies.log.retention import minimum
from policies.log.tiles import Tile, decode_bundle, nodes, parse_path, tiles_for, tiles_of, width_at
from policies.log.tree import check_inclusion, inclusion_proof, leaf_hash, root_of
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
SIGNERS = (signer_of(Kind.ED25519, ORIGIN, b"1" * 32), signer_of(Kind.ML_DSA_44, f"{ORIGIN}/pq", b"2" * 32))
NOW = 1_790_000_000_000
EAGER = Pace(linger=0)


def anything(entry: bytes) -> None:
    """A lint that lets everything through."""


def opened(disk, **options) -> Writer:
    return Writer.open(disk, SIGNERS, **{"now": lambda: NOW, "pace": EAGER, "lint": anything, **options})


def entries_of(disk) -> list[bytes]:
    size = Checkpoint.parse(Note.parse(disk.read("checkpoint")).text).size
    tiles = [Tile(-1, n, width_at(0, size, n)) for n in range(-(-size // 256))]
    return [entry for tile in tiles for entry in decode_bundle(disk.read(tile.path))]


@pytest.fixture(params=["memory", "folder"])
def disk(request, tmp_path):
    return Memory() if request.param == "memory" else Folder(tmp_path / "log")


def test_what_is_acknowledged_is_under_a_head_that_both_keys_signed(disk):
    with opened(disk) as log:
        receipts = [log.append(b"entry %d" % number).result(10) for number in range(3)]

    note = Note.parse(disk.read("checkpoint"))
    assert [held.vkey for held in verify(note, [one.vkey for one in SIGNERS])] == [one.vkey for one in SIGNERS]
    assert [receipt.index for receipt in receipts] == [0, 1, 2]
    assert entries_of(disk) == [b"entry 0", b"entry 1", b"entry 2"]


def test_a_receipt_proves_its_entry(disk):
    with opened(disk) as log:
        futures = [log.append(b"entry %d" % number) for number in range(700)]
        receipt = futures[333].result(10)

        head = receipt.head.checkpoint
        proof = inclusion_proof(receipt.index, head.size, nodes(head.size, disk.read))
        assert check_inclusion(leaf_hash(b"entry 333"), 333, head.size, proof, head.root)


def test_the_entries_of_many_threads_are_all_there_once(disk):
    with opened(disk, pace=Pace(linger=0.01, most=100)) as log:
        kept: list[tuple[int, bytes]] = []

        def work(name: int) -> None:
            mine = [b"%d of %d" % (number, name) for number in range(200)]
            kept.extend((future.result(30).index, entry) for future, entry in [(log.append(e), e) for e in mine])

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert entries_of(disk) == [entry for _, entry in sorted(kept)]
    assert [index for index, _ in sorted(kept)] == list(range(800))


def test_coroutines_wait_without_blocking_each_other(disk):
    async def work(log: Writer) -> list[int]:
        receipts = await asyncio.gather(*(log.commit(b"entry %d" % number) for number in range(20)))
        return sorted(receipt.index for receipt in receipts)

    with opened(disk) as log:
        assert asyncio.run(work(log)) == list(range(20))


def test_a_log_goes_on_where_it_stopped(disk):
    for start in (0, 300, 600):
        with opened(disk) as log:
            for future in [log.append(b"entry %d" % number) for number in range(start, start + 300)]:
                future.result(10)

    assert entries_of(disk) == [b"entry %d" % number for number in range(900)]


def test_partial_files_go_when_the_full_one_is_there(disk):
    with opened(disk) as log:
        for size in (200, 100):
            for future in [log.append(b"entry") for _ in range(size)]:
                future.result(10)

    assert "000.p" not in disk.names("tile/entries")
    assert "001.p" in disk.names("tile/entries")


def test_a_second_writer_is_refused_and_the_first_goes_on(disk):
    with opened(disk) as log:
        with pytest.raises(Refused, match="one writer"):
            opened(disk)
        assert log.append(b"entry").result(10).index == 0


def test_a_second_writer_on_the_same_folder_is_refused(tmp_path):
    with opened(Folder(tmp_path / "log")), pytest.raises(Refused, match="stop that one first"):
        opened(Folder(tmp_path / "log"))


def test_an_entry_that_lint_refuses_costs_no_index(disk):
    def lint(entry: bytes) -> None:
        if b"prompt" in entry:
            raise Malformed("free text")

    with opened(disk, lint=lint) as log:
        with pytest.raises(Malformed):
            log.append(b"prompt")
        assert log.append(b"entry").result(10).index == 0


def test_by_default_only_entries_of_the_schema_are_taken(disk):
    with Writer.open(disk, SIGNERS, now=lambda: NOW, pace=EAGER) as log, pytest.raises(Malformed):
        log.append(b"a horse on a beach")


def test_an_entry_of_16384_bytes_is_taken_and_a_longer_one_is_not(disk):
    with opened(disk) as log:
        log.append(bytes(16_384)).result(10)
        with pytest.raises(Refused, match="too long"):
            log.append(bytes(16_385))


class Slow(Memory):
    """A disk that waits at barrier A until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def sync(self, paths):
        if any("tile/" in path for path in paths):
            self.go.wait(20)
        super().sync(paths)


def test_callers_wait_when_the_disk_is_slower_than_they_are():
    disk = Slow()
    with opened(disk, pace=Pace(most=2, linger=0, waiting=2)) as log:
        first = log.append(b"1")
        while log._queue:  # the committing thread has taken the first
            pass
        log.append(b"2")
        log.append(b"3")
        with pytest.raises(Unavailable, match="did not take"):
            log.append(b"4", patience=0.05)
        disk.go.set()
        assert log.append(b"5").result(10).index == 3
        assert first.done()


def test_nothing_is_acknowledged_before_the_last_barrier():
    disk = Slow()
    with opened(disk) as log:
        future = log.append(b"entry")
        with pytest.raises(TimeoutError):
            future.result(0.1)
        assert log.head.checkpoint.size == 0
        disk.go.set()
        assert future.result(10).head.checkpoint.size == 1


def test_a_batch_has_at_most_the_entries_of_its_pace():
    disk = Slow()
    with opened(disk, pace=Pace(most=3, linger=0.05)) as log:
        futures = [log.append(b"%d" % number) for number in range(10)]
        disk.go.set()
        sizes = [future.result(10).head.checkpoint.size for future in futures]

    assert all(size - index <= 3 for index, size in enumerate(sizes))


def test_barriers_come_in_order_a_b_c():
    disk = Memory()
    with opened(disk) as log:
        before = len(disk.operations)
        log.append(b"entry").result(10)
        commit = disk.operations[before:]

    synced = [paths for name, paths in commit if name == "sync"]
    assert ["tile" in str(paths) for paths in synced[:2]] == [True, True]
    assert synced[2:6] == [(".state/.signed.tmp",), (".state",), (".checkpoint.tmp",), (".",)]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_failed_sync_ends_the_log_and_is_not_tried_again(fault):
    ended: list[BaseException] = []
    disk = Memory()
    log = opened(disk, fatal=ended.append)
    disk.plan = lambda number, name, paths: fault if name == "sync" and "tile" in paths[0] else None

    with pytest.raises(Broken, match="log stopped"):
        log.append(b"entry").result(10)
    log._thread.join(10)
    with pytest.raises(Broken):
        log.append(b"another")
    assert len(ended) == 1
    assert sum(name == "sync" and "tile" in paths[0] for name, paths in disk.operations) == 1


def test_an_object_is_stored_once_under_its_digest(disk):
    with opened(disk) as log:
        first, second = log.store(b"policy"), log.store(b"policy")

    assert first == second
    assert disk.read(f"objects/sha256/{first[:2]}/{first[2:]}") == b"policy"


def test_a_head_is_kept_when_the_log_closes(disk):
    with opened(disk) as log:
        log.append(b"entry").result(10)

    assert disk.read("checkpoints/20260921/1") == disk.read("checkpoint")


def test_a_head_is_kept_in_every_hour(disk):
    clock = [NOW]
    with opened(disk, now=lambda: clock[0]) as log:
        for hour in range(3):
            clock[0] = NOW + hour * 3_600_000
            for number in range(2):
                log.append(b"%d %d" % (hour, number)).result(10)

    assert disk.names("checkpoints/20260921") == ["0", "1", "3", "5", "6"]


def test_a_closed_log_takes_nothing(disk):
    log = opened(disk)
    log.close()

    with pytest.raises(Unavailable, match="closed"):
        log.append(b"entry")


def test_a_pen_numbers_its_entries_without_holes(disk):
    with Writer.open(disk, SIGNERS, now=lambda: NOW, pace=EAGER) as log:
        pen = Pen.open(log, now=lambda: NOW, rng=os.urandom)
        pen.write(Pad()).result(10)
        with pytest.raises(Malformed):
            pen.write(ShardClosed(next="a free text"))
        asyncio.run(pen.commit(Pad()))

    assert [(json.loads(entry)["w"], json.loads(entry)["n"]) for entry in entries_of(disk)] == [
        (pen.writer, 0),
        (pen.writer, 1),
    ]


def test_pruned_entries_are_gone_and_the_tree_still_proves_the_rest(disk):
    with opened(disk) as log:
        for future in [log.append(b"entry %d" % number) for number in range(1030)]:
            future.result(10)
        removed = log.prune(600)

    with opened(disk) as log:
        head = log.head.checkpoint
        proof = inclusion_proof(1000, head.size, nodes(head.size, disk.read))
        assert check_inclusion(leaf_hash(b"entry 1000"), 1000, head.size, proof, head.root)
        assert log.append(b"one more").result(10).index == 1030
    assert (removed, minimum(disk)) == (["tile/entries/000", "tile/entries/001"], 600)


def test_the_minimum_index_never_goes_back(disk):
    with opened(disk) as log:
        for future in [log.append(b"entry %d" % number) for number in range(600)]:
            future.result(10)
        log.prune(512)
        with pytest.raises(Refused, match="minimum index"):
            log.prune(256)
        with pytest.raises(Refused, match="minimum index"):
            log.prune(601)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=4))
def test_growing_in_any_steps_gives_the_files_and_the_root_of_the_whole(steps):
    entries = [b"%d" % number for number in range(sum(steps))]
    frontier, start = Frontier(), 0
    files: dict[str, bytes] = {}
    for step in steps:
        growth = grow(frontier, entries[start : start + step])
        expected = {tile.path for tile in tiles_for(start, start + step)}
        bundles = {Tile(-1, tile.n, tile.width).path for tile in tiles_for(start, start + step) if tile.level == 0}
        assert set(growth.files) == expected | bundles
        assert not set(growth.files) & set(files)  # nothing is ever rewritten
        files.update(growth.files)
        frontier, start = growth.frontier, start + step

    assert frontier.edge.root() == root_of(leaf_hash(entry) for entry in entries)
    whole = {parse_path(path): data for path, data in grow(Frontier(), entries).files.items()}
    assert {tile: files[tile.path] for tile in whole} == whole
    assert set(tiles_of(start)) <= set(whole)


def test_a_log_of_65537_entries_has_three_levels():
    growth = grow(Frontier(), [b"%d" % number for number in range(65_537)])

    assert [len(tile) for tile in growth.frontier.tiles] == [1, 0, 1]
    assert {Tile(1, 0), Tile(2, 0, 1), Tile(0, 256, 1)} <= {parse_path(path) for path in growth.files}


def test_seeds_are_for_their_owner_alone(tmp_path):
    first, second = log_signers(tmp_path / "keys", ORIGIN, rng=os.urandom)
    again = log_signers(tmp_path / "keys", ORIGIN)

    assert (first.vkey, second.vkey) == tuple(signer.vkey for signer in again)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_seed_that_others_may_read_is_refused(tmp_path):
    create_seed(tmp_path / "seed", os.urandom)
    (tmp_path / "seed").chmod(0o640)

    with pytest.raises(Refused, match="chmod 600"):
        read_seed(tmp_path / "seed")


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33)])
def test_a_file_that_is_no_seed_is_refused(tmp_path: Path, data):
    (tmp_path / "seed").write_bytes(data)
    (tmp_path / "seed").chmod(0o600)

    with pytest.raises(Refused, match="32 bytes"):
        read_seed(tmp_path / "seed")


def test_a_seed_is_never_drawn_over_another(tmp_path):
    create_seed(tmp_path / "seed", os.urandom)

    with pytest.raises(Refused, match="already"):
        create_seed(tmp_path / "seed", os.urandom)


def test_a_missing_seed_is_not_made_up(tmp_path):
    with pytest.raises(Unavailable, match="cannot be read"):
        log_signers(tmp_path, ORIGIN)
