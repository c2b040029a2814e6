"""Every operation of the disk fails, having not happened or having happened; one checker then verifies the world.

A story of commits runs once without faults to learn its operations. Then it runs once for each operation and each
fault, and once for each operation with a loss of power in the place of the fault. After every run the log is opened
again, goes on, and `check` holds it to its promises.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import Broken, Doubt, PolicyError
from policies.log.keys import signer_of
from policies.log.memory import Fault, Memory
from policies.log.note import Checkpoint, Kind, Note, verify
from policies.log.tiles import Tile, decode_bundle, decode_tile, tiles_of, width_at
from policies.log.tree import leaf_hash, root_of
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
SIGNER = signer_of(Kind.ED25519, ORIGIN, b"1" * 32)
NOW = 1_790_000_000_000


@dataclass
class World:
    """A disk, what its log promised, and every head that anybody could have seen."""

    disk: Memory
    promised: dict[int, bytes] = field(default_factory=dict)  # by index: what was acknowledged
    heads: set[bytes] = field(default_factory=set)  # every text that `checkpoint` ever held
    offered: list[bytes] = field(default_factory=list)

    def look(self) -> None:
        """What a reader sees at this moment, durable or not."""
        if "checkpoint" in self.disk.names("."):
            self.heads.add(Note.parse(self.disk.read("checkpoint")).text.encode())

    def open(self, *, halted: bool = False) -> Writer:
        return Writer.open(
            self.disk,
            [SIGNER],
            now=lambda: NOW,
            pace=Pace(linger=0),
            lint=lambda entry: None,
            fatal=lambda error: None,
            halted=halted,
        )

    def commit(self, log: Writer, *counts: int) -> None:
        """Hand in batches, each after the one before was acknowledged."""
        for count in counts:
            batch = [b"entry %d" % (len(self.offered) + number) for number in range(count)]
            self.offered += batch
            with log._turn:  # the committing thread sees the batch whole
                futures = [log.append(entry) for entry in batch]
            self.promised.update({f.result(10).index: entry for f, entry in zip(futures, batch, strict=True)})


def check(world: World) -> None:
    """The promises of a log, checked from its files alone."""
    disk = world.disk
    note = Note.parse(disk.read("checkpoint"))
    verify(note, [SIGNER.vkey])
    head = Checkpoint.parse(note.text)
    entries = [entry for tile in _bundles(head.size) for entry in decode_bundle(_read(disk, tile))[: tile.width]]
    leaves = [leaf_hash(entry) for entry in entries]
    assert (len(entries), root_of(leaves)) == (head.size, head.root)
    _check_tiles(disk, leaves)
    assert {index: entries[index] for index in world.promised} == world.promised  # nothing acknowledged was lost
    assert len(set(entries)) == len(entries)  # nor is anything there twice
    assert set(entries) <= set(world.offered)
    world.look()
    for text in world.heads:  # no head that anybody saw was ever taken back
        seen = Checkpoint.parse(text)
        assert seen.size <= head.size
        assert root_of(leaves[: seen.size]) == seen.root


def _bundles(size: int) -> Iterator[Tile]:
    return (Tile(-1, n, width_at(0, size, n)) for n in range(-(-size // 256)))


def _read(disk: Memory, tile: Tile) -> bytes:
    try:
        return disk.read(tile.path)
    except FileNotFoundError:
        return disk.read(tile.full.path)


def _check_tiles(disk: Memory, leaves: Sequence[bytes]) -> None:
    below = list(leaves)
    for tile in tiles_of(len(leaves)):
        if tile.level and not tile.n:
            below = [root_of(below[start : start + 256]) for start in range(0, len(below) // 256 * 256, 256)]
        assert decode_tile(_read(disk, tile), tile.width) == below[tile.n * 256 :][: tile.width]


STORY = (3, 250, 10, 1)  # batches: a partial bundle, nearly full, over the edge, one more


def run(world: World, story: Sequence[int] = STORY) -> None:
    """The story on a disk that may fail; what a crashed process would not see, nobody sees."""
    try:
        log = world.open()
        try:
            world.commit(log, *story)
        finally:
            log.close()
    except (Broken, Doubt):
        pass


def watched(world: World, plan) -> None:
    """Let the disk fail by `plan`, and look at the published head before each operation."""

    def seen(number: int, name: str, paths: Sequence[str]) -> Fault | None:
        world.look()
        return plan(number, name, paths)

    world.disk.plan = seen


def operations() -> int:
    world = World(Memory())
    run(world)
    check(world)
    return len(world.disk.operations)


NUMBER = operations()


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("number", range(NUMBER))
def test_whatever_fails_the_log_keeps_its_promises(number, fault):
    world = World(Memory())
    watched(world, lambda at, name, paths: fault if at == number else None)
    run(world)

    for seed in range(2):
        after = World(world.disk.crash(random.Random(seed)), dict(world.promised), set(world.heads), [*world.offered])
        log = after.open(halted=True)
        after.commit(log, 5)
        log.close()
        check(after)


@pytest.mark.parametrize("number", range(NUMBER))
def test_after_a_loss_of_power_the_log_starts_by_itself_and_keeps_its_promises(number):
    world = World(Memory())
    left: list[World] = []

    def dark(at: int, name: str, paths: Sequence[str]) -> None:
        """Look on, and at one operation put aside what a machine that goes dark may leave."""
        if at <= number:
            world.look()
        if at == number:
            disks = [world.disk.crash(random.Random(seed)) for seed in range(3)]
            left.extend(World(disk, dict(world.promised), set(world.heads), world.offered) for disk in disks)

    world.disk.plan = dark
    run(world)

    for after in left:
        after.offered = [*world.offered]
        log = after.open()
        after.commit(log, 5)
        log.close()
        check(after)
    assert len(left) == 3


@settings(max_examples=25)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.randoms(use_true_random=False), st.data())
def test_a_log_survives_crash_after_crash(story, rng, data):
    world = World(Memory())
    for _ in range(data.draw(st.integers(1, 4))):
        fatal_at = data.draw(st.integers(0, 60))
        fault = data.draw(st.sampled_from(Fault))
        watched(world, lambda at, name, paths, stop=fatal_at, how=fault: how if at == stop else None)
        try:
            log = world.open(halted=True)
            try:
                world.commit(log, *story)
            finally:
                log.close()
        except PolicyError:
            pass
        world.disk = world.disk.crash(rng)
    log = world.open(halted=True)
    world.commit(log, 1)
    log.close()

    check(world)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("barrier", ["tile/", ".state/.signed", ".checkpoint"])
def test_after_a_failure_at_a_barrier_the_log_stays_down_until_a_person_has_looked(barrier, fault):
    world = World(Memory())
    log = world.open()
    world.commit(log, 3)
    world.disk.plan = lambda at, name, paths: fault if name == "sync" and paths[0].startswith(barrier) else None
    with pytest.raises(Broken):
        world.commit(log, 3)
    log._thread.join(10)

    world.disk = world.disk.crash(random.Random(1))
    with pytest.raises(Doubt, match="disk failed"):
        world.open()
    log = world.open(halted=True)
    world.commit(log, 1)
    log.close()
    check(world)
    world.open().close()  # and then it starts by itself again


def test_the_checker_finds_an_entry_that_was_promised_and_is_gone():
    world = World(Memory())
    run(world)
    world.promised[2] = b"something else"

    with pytest.raises(AssertionError):
        check(world)


def test_the_checker_finds_a_head_that_was_taken_back():
    world = World(Memory())
    run(world)
    world.heads.add(Checkpoint(ORIGIN, 7, bytes(32)).body())

    with pytest.raises(AssertionError):
        check(world)
