"""Whoever changes a log is found out, by our verifier and by one that shares no line with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies.log import entry as entries
from policies.log.note import Note
from policies.log.tiles import decode_bundle, encode_bundle
from policies.log.tree import leaf_hash
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from tests.acceptance import independent_verifier as other
from tests.unit.policies import residency as cell

TRUST = parse_trust(cell.TRUST)
LINES = cell.written(cell.story(200))  # two bundles, the second of them partial
SECOND = len(LINES) - 256


@dataclass(frozen=True, slots=True)
class Kept:
    """What the auditor has from before: a log, and a head of it."""

    folder: Path
    head: bytes


@pytest.fixture
def kept(tmp_path) -> Kept:
    folder = cell.lay(tmp_path / "log", LINES, heads=[100, 300])
    return Kept(folder, (folder / "checkpoint").read_bytes())


def ours(kept: Kept) -> set[str]:
    return set(verify(kept.folder, TRUST, Options(since=kept.head)).codes)


def theirs(kept: Kept) -> str:
    try:
        other.verify(kept.folder, str(cell.LOG.vkey), [str(cell.WITNESS.vkey)], [kept.head])
    except other.Wrong as error:
        return str(error)
    return "holds"


def bundle(kept: Kept, change: Callable[[list[bytes]], None], *, tiles: bool = False) -> None:
    """Change the entries of the first bundle, and its tile with them if asked."""
    path = kept.folder / "tile/entries/000"
    some = decode_bundle(path.read_bytes())
    change(some)
    path.write_bytes(encode_bundle(some))
    if tiles:
        (kept.folder / "tile/0/000").write_bytes(b"".join(map(leaf_hash, some)))


def relay(kept: Kept, lines: list[bytes], **more) -> None:
    """Write the whole log anew, in place of the one that was signed."""
    shutil.rmtree(kept.folder)
    cell.lay(kept.folder, lines, **more)


def changed_entry(kept: Kept) -> None:
    def change(some: list[bytes]) -> None:
        some[1] = some[1].replace(b'"aws/eu-central-1"', b'"aws/eu-central-2"')

    bundle(kept, change)


def changed_entry_and_tile(kept: Kept) -> None:
    def change(some: list[bytes]) -> None:
        some[1] = some[1].replace(b'"aws/eu-central-1"', b'"aws/eu-central-2"')

    bundle(kept, change, tiles=True)


def swapped_entries(kept: Kept) -> None:
    def change(some: list[bytes]) -> None:
        some[1], some[4] = some[4], some[1]

    bundle(kept, change, tiles=True)


def entry_too_many(kept: Kept) -> None:
    path = kept.folder / f"tile/entries/001.p/{SECOND}"
    path.write_bytes(path.read_bytes() + encode_bundle(LINES[:1]))


def changed_tile(kept: Kept) -> None:
    path = kept.folder / "tile/0/000"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def changed_upper_tile(kept: Kept) -> None:
    (kept.folder / "tile/1/000.p/1").write_bytes(bytes(32))


def dropped_bundle(kept: Kept) -> None:
    (kept.folder / "tile/entries/000").unlink()


def dropped_tile(kept: Kept) -> None:
    (kept.folder / "tile/0/000").unlink()


def truncated_log(kept: Kept) -> None:
    """The operator's own key signs fewer entries than before."""
    relay(kept, LINES[:150])


def split_view(kept: Kept) -> None:
    """The operator's own key signs another history of the same length."""
    relay(kept, cell.written([entries.Pad() if n == 5 else one for n, one in enumerate(cell.story(200))]))


def forged_head(kept: Kept) -> None:
    relay(kept, LINES, by=cell.signer(cell.ORIGIN, seed=1))


def another_log_s_head(kept: Kept) -> None:
    name = "op.example/equerry/jp-tyo/residency/2026h2"
    relay(kept, LINES, by=cell.signer(name), origin=name)


def head_for_more(kept: Kept) -> None:
    """A head whose size was edited after it was signed."""
    path = kept.folder / "checkpoint"
    path.write_bytes(path.read_bytes().replace(f"\n{len(LINES)}\n".encode(), f"\n{len(LINES) + 1}\n".encode(), 1))


def no_witness(kept: Kept) -> None:
    path = kept.folder / "checkpoint"
    note = Note.parse(path.read_bytes())
    path.write_bytes(bytes(Note(note.text, note.signatures[:1])))


def rewritten_kept_head(kept: Kept) -> None:
    path = next((kept.folder / "checkpoints").glob("*/300"))
    path.write_bytes(cell.head([leaf_hash(b"{}")] * 300))


def ran_without_a_decision(kept: Kept) -> None:
    """The log itself is sound, and what it says is not."""
    relay(kept, [*LINES, *cell.written([*cell.story(200), cell.execution(999)])[-1:]])


TAMPERED = {
    changed_entry: {"entry.changed", "root.differs", "head.forked", "execution.elsewhere"},
    changed_entry_and_tile: {"root.differs", "head.forked", "tile.differs", "execution.elsewhere"},
    swapped_entries: {"root.differs", "head.forked", "tile.differs", "execution.undecided", "marking.undecided"},
    entry_too_many: {"bundle.malformed"},
    changed_tile: {"entry.changed"},
    changed_upper_tile: {"tile.differs"},
    dropped_bundle: {"bundle.missing"},
    dropped_tile: {"tile.missing"},
    truncated_log: {"head.forked"},
    split_view: {"head.forked"},
    forged_head: {"head.untrusted"},
    another_log_s_head: {"head.untrusted"},
    head_for_more: {"head.untrusted"},
    no_witness: {"head.untrusted"},
    rewritten_kept_head: {"head.forked"},
    ran_without_a_decision: {"execution.undecided"},
}


def test_a_log_that_nobody_touched_holds_for_both(kept):
    assert (ours(kept), theirs(kept)) == (set(), "holds")


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found_by_both(kept, tamper):
    tamper(kept)

    assert ours(kept) & TAMPERED[tamper], ours(kept)
    assert theirs(kept) != "holds"


@pytest.mark.parametrize("tamper", [truncated_log, split_view], ids=lambda tamper: tamper.__name__)
def test_what_the_operator_signs_twice_is_found_only_with_an_earlier_head(kept, tamper):
    tamper(kept)

    assert "head.forked" not in verify(kept.folder, TRUST).codes
    assert "head.forked" in ours(kept)
