"""A log ends with its half-year and the next one names it; the key that links a person's requests can be destroyed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies.canonical import sha256
from policies.errors import Doubt, Refused, Unavailable
from policies.log.entry import Pad
from policies.log.erasure import Vault, subject_link
from policies.log.keys import log_signers
from policies.log.lint import schema
from policies.log.note import Checkpoint, Note
from policies.log.shards import Series, half_year
from policies.log.tiles import Tile, decode_bundle
from policies.log.writer import Pace


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]  # year, month, day, …


AUTUMN, SPRING = at(2026, 11, 21), at(2027, 2, 1)
EAGER = Pace(linger=0)


@pytest.fixture
def series(tmp_path) -> Series:
    return Series(root=tmp_path / "log", keys=tmp_path / "keys", domain="op.example", cell="eu-par", kind="residency")


def opened(series: Series, now: int):
    return series.open(now=lambda: now, rng=os.urandom, pace=EAGER)


def entries_of(folder: Path) -> list[dict[str, object]]:
    size = Checkpoint.parse(Note.parse((folder / "checkpoint").read_bytes()).text).size
    return [json.loads(entry) for entry in decode_bundle((folder / Tile(-1, 0, size).path).read_bytes())]


@pytest.mark.parametrize(
    ("moment", "shard"),
    [
        (at(2026, 1, 1), "2026h1"),
        (at(2026, 7, 1) - 1, "2026h1"),
        (at(2026, 7, 1), "2026h2"),
        (at(2027, 1, 1) - 1, "2026h2"),
    ],
)
def test_a_shard_is_a_half_year_of_utc(moment, shard):
    assert half_year(moment) == shard


def test_the_first_shard_opens_with_the_schema_that_its_entries_follow(series):
    with opened(series, AUTUMN).log as log:
        assert log.origin == "op.example/equerry/eu-par/residency/2026h2"

    (first,) = entries_of(series.folder("2026h2"))
    assert (first["t"], first["schema"], "prev" in first) == ("shard.open", sha256(schema()), False)


def test_the_next_shard_names_the_one_before_and_is_named_by_it(series):
    opened(series, AUTUMN).log.close()
    opened(series, SPRING).log.close()

    last = entries_of(series.folder("2026h2"))[-1]
    head = Checkpoint.parse(Note.parse((series.folder("2026h2") / "checkpoint").read_bytes()).text)
    first = entries_of(series.folder("2027h1"))[0]
    assert (last["t"], last["next"]) == ("shard.close", series.origin("2027h1"))
    assert first["prev"] == {"origin": head.origin, "root": head.root.hex(), "size": head.size}


def test_a_shard_is_opened_and_closed_once(series):
    for now in (AUTUMN, AUTUMN, SPRING, SPRING):
        pen = opened(series, now)
        pen.write(Pad()).result(30)
        pen.log.close()

    assert [entry["t"] for entry in entries_of(series.folder("2026h2"))] == ["shard.open", "pad", "pad", "shard.close"]
    assert [entry["t"] for entry in entries_of(series.folder("2027h1"))] == ["shard.open", "pad", "pad"]


def test_a_clock_that_went_back_is_a_doubt(series):
    opened(series, SPRING).log.close()

    with pytest.raises(Doubt, match="clock"):
        opened(series, AUTUMN)


def test_a_log_that_lost_its_seed_gets_no_new_one(series):
    opened(series, AUTUMN).log.close()
    for path in series.keys.iterdir():
        path.unlink()

    with pytest.raises(Unavailable, match="cannot be read"):
        opened(series, AUTUMN)


def test_every_shard_has_keys_of_its_own(series):
    opened(series, AUTUMN).log.close()
    opened(series, SPRING).log.close()

    assert len({seed for path in series.keys.iterdir() if (seed := path.read_bytes())}) == 4


def test_a_log_of_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(Refused, match="residency, control"):
        Series(root=tmp_path, keys=tmp_path, domain="op.example", cell="eu-par", kind="gossip")


def test_requests_of_one_person_are_linked_by_the_key_alone(tmp_path):
    vault = Vault(tmp_path)
    one, two = vault.create(os.urandom), vault.create(os.urandom)

    assert vault.link(one, "r-1") == vault.link(one, "r-1")
    assert len({vault.link(one, "r-1"), vault.link(one, "r-2"), vault.link(two, "r-1")}) == 3
    assert len(subject_link(b"k" * 32, "r-1")) == 43


def test_an_erased_person_cannot_be_linked_and_the_log_says_so(series, tmp_path):
    vault = Vault(tmp_path / "vault")
    key = vault.create(os.urandom)
    pen = opened(series, AUTUMN)
    for _ in range(2):  # asked again, it says so again
        vault.erase(key, "t-0123456789abcdef", pen).result(30)
    pen.log.close()

    with pytest.raises(Unavailable):
        vault.link(key, "r-1")
    assert [path.suffix for path in (tmp_path / "vault").iterdir()] == [".erased"]
    erased = entries_of(series.folder("2026h2"))[-2:]
    assert [(entry["t"], entry["key"]) for entry in erased] == [("erase", sha256(key.encode()))] * 2


def test_a_key_that_never_was_is_not_erased(tmp_path):
    with pytest.raises(Unavailable, match="no key"):
        Vault(tmp_path).destroy("0" * 32)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "0" * 31, "A" * 32])
def test_an_id_that_is_no_id_reaches_no_file(tmp_path, name):
    with pytest.raises(Refused, match="32 hexadecimal"):
        Vault(tmp_path).destroy(name)


def test_a_log_that_is_gone_is_not_begun_anew_under_the_same_key(series):
    opened(series, AUTUMN).log.close()
    (series.root / "residency").rename(series.root / "elsewhere")

    with pytest.raises(Doubt, match="Restore it"):
        opened(series, AUTUMN)
    assert not (series.root / "residency").exists()

    (series.root / "elsewhere").rename(series.root / "residency")
    opened(series, AUTUMN).log.close()


def test_a_start_that_died_before_the_first_entry_is_made_again(series):
    log_signers(series.keys, series.origin("2026h2"), rng=os.urandom)

    opened(series, AUTUMN).log.close()

    assert len(entries_of(series.folder("2026h2"))) == 1
