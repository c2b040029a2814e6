"""`equerry audit recover`: after a disk has failed, a log starts again only when a person says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import equerry
from policies.errors import Doubt
from policies.log.entry import Pad
from policies.log.heads import HALTED
from policies.log.shards import Series

NOW = 1_795_000_000_000  # 2026-11-18


@pytest.fixture
def series(tmp_path) -> Series:
    return Series(root=tmp_path / "log", keys=tmp_path / "keys", domain="op.example", cell="eu-par", kind="residency")


def write(series: Series, entries: int) -> None:
    pen = series.open(now=lambda: NOW, rng=os.urandom)
    for _ in range(entries):
        pen.write(Pad()).result(10)
    pen.log.close()


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        equerry.main(["audit", "recover", *map(str, arguments)])
    return left.value.code


def halted(series: Series) -> Path:
    """The folder of a log of four entries under which the disk has failed."""
    write(series, 3)
    folder = series.folder("2026h2")
    (folder / HALTED).write_bytes(b"")
    return folder


def test_a_halted_log_starts_again_once_a_person_has_said_that_the_disk_is_sound(series, capsys):
    folder = halted(series)
    with pytest.raises(Doubt):
        write(series, 1)

    code = run(folder, "--keys", series.keys, "--json")

    assert (code, json.loads(capsys.readouterr().out)) == (
        0,
        {"origin": series.origin("2026h2"), "size": 4, "lost": []},
    )
    write(series, 1)


def test_a_log_whose_bytes_were_changed_stays_down_and_is_not_touched(series, capsys):
    folder = halted(series)
    tile = next((folder / "tile" / "0").rglob("4"))
    tile.write_bytes(bytes(len(tile.read_bytes())))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert run(folder, "--keys", series.keys) == 70
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("missing", ["log", "keys"])
def test_a_folder_that_is_no_log_or_holds_no_seed_is_one_sentence(series, tmp_path, missing, capsys):
    folder = halted(series)
    empty = tmp_path / "empty"
    empty.mkdir()

    code = run(empty if missing == "log" else folder, "--keys", empty if missing == "keys" else series.keys)

    assert code in (2, 69)
    assert capsys.readouterr().err.startswith("equerry: ")
