"""What the meter does by itself: hours into the log, erasures, sweeps."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from policies.errors import Unavailable as Away
from policies.log.entry import Entry, Erased, SlaWindow, Stamp, encode
from policies.money import Currency, Money
from policies.sla import load_sla
from policies.sla_windows import availability
from serving.duties import Duties
from serving.errors import Broken, Unavailable
from serving.jobs.job import Draft, JobId, TenantId, new_id
from serving.jobs.memory import MemoryStore
from serving.media.store import key, open_objects
from serving.meter.chores import Chores, Ways
from serving.meter.month import Month
from serving.sealed.keys import CellKey, Keyring
from serving.sealed.objects import SealedObjects
from serving.sla import windows
from serving.sla.report import report
from tests.unit.serving.meter_rows import HOUR, NOVEMBER, terms

ACME, BOLT = TenantId("t-0123456789abcdef"), TenantId("t-fedcba9876543210")
START = NOVEMBER // HOUR * HOUR
SLA = load_sla()


@dataclass(frozen=True, slots=True)
class Receipt:
    index: int


@dataclass
class Pen:
    """Keeps entries that the schema allows."""

    entries: list[Entry] = field(default_factory=list)

    async def commit(self, entry: Entry) -> Receipt:
        encode(entry, Stamp(ts=START, id="0" * 32, salt="0" * 32, w="w-" + "0" * 16, n=len(self.entries)))
        self.entries.append(entry)
        return Receipt(len(self.entries) - 1)


class Cell:
    """A store with a clock, a folder of objects, and the chores over them."""

    def __init__(self, folder) -> None:
        self.now = START
        self.store = MemoryStore(lambda: self.now)
        self.objects = open_objects(f"file://{folder}/objects")
        self.pen = Pen()
        ways = Ways(region="own-eu/eu-par-1", sla=SLA, keep_ms=48 * HOUR)
        self.chores = Chores(self.store, self.objects, self.pen, lambda: [ACME, BOLT], ways)  # type: ignore[arg-type]  # receipts of a test

    def submit(self, tenant: TenantId = ACME) -> JobId:
        made = Draft(
            id=new_id(os.urandom(16)),
            tenant=tenant,
            order='{"prompt":"x"}',
            fingerprint="f",
            estimated_ms=1,
            terms=terms().write(),
        )
        return self.store.submit(made).job.id

    def make(self, after: int = 10_000) -> None:
        (job,) = self.store.claim("studio")
        self.now += after
        self.store.complete(job.id, job.fence, result="{}", usage="{}", keep_ms=HOUR)

    def turn(self) -> None:
        asyncio.run(self.chores.turn(Duties()))


async def away(_: Entry) -> Receipt:
    """A log that takes nothing."""
    raise Away("The residency log is away.")


@pytest.fixture
def cell(tmp_path) -> Cell:
    return Cell(tmp_path)


def test_an_hour_goes_into_the_log_once_when_all_its_jobs_have_ended(cell):
    cell.submit()
    cell.make()
    cell.store.turn_away(ACME, "queue_full")
    cell.now = START + HOUR
    cell.turn()
    cell.now += HOUR
    cell.turn()

    (entry,) = cell.pen.entries
    assert isinstance(entry, SlaWindow)
    assert (entry.ten, entry.hour, entry.count, entry.ok, dict(entry.rej)) == (
        ACME,
        START // HOUR,
        2,
        1,
        {"queue_full": 1},
    )


def test_an_hour_waits_for_its_last_job_and_not_for_ever(cell):
    cell.submit()
    cell.now = START + 2 * HOUR
    cell.turn()
    assert cell.pen.entries == []

    cell.now = START + 50 * HOUR
    cell.turn()
    assert [(e.count, e.ok) for e in cell.pen.entries if isinstance(e, SlaWindow)] == [(1, 0)]


def test_cancelled_films_and_clients_mistakes_count_nowhere(cell):
    cell.store.cancel(ACME, cell.submit())
    cell.submit()
    (job,) = cell.store.claim("studio")
    cell.store.fail(job.id, job.fence, error="invalid_request", text="x")
    cell.now = START + HOUR
    cell.turn()

    assert cell.pen.entries == []


def test_a_month_of_hours_says_what_was_reached_and_what_goes_back(cell):
    for _ in range(98):
        cell.submit()
        cell.make(100)
    for _ in range(2):
        cell.submit()
        (job,) = cell.store.claim("studio")
        cell.store.fail(job.id, job.fence, error="generation_failed", text="x")
    cell.store.turn_away(ACME, "no_compliant_region")
    cell.now = START + HOUR
    cell.turn()
    kept = [windows.read(each.line) for each in cell.store.windows(0, 2**40)]
    euros = {Currency.EUR: Money(10_000, Currency.EUR)}

    found = report(ACME, Month(2026, 11), SLA.by_name("standard"), kept, SLA.bounds_ms, euros)

    assert availability(kept[0]) == found.reached
    assert (found.reached.inside, found.reached.total) == (980_000, 98 * 1_000_000 // 101)
    assert (found.kept, found.credit_percent, found.credits) == (False, 25, (Money(2_500, Currency.EUR),))
    assert found.window.kept == 98


def test_erasure_leaves_no_object_and_no_prompt_and_is_proven_in_the_log(cell):
    job = cell.submit()
    other = cell.submit(BOLT)
    asyncio.run(cell.objects.put(key(ACME, "given", "one"), b"x"))
    asyncio.run(cell.objects.put(key(BOLT, "given", "one"), b"y"))
    cell.store.ask_erasure("e" * 32, ACME)
    cell.turn()
    cell.turn()

    (entry,) = cell.pen.entries
    (done,) = cell.store.erasures()
    assert isinstance(entry, Erased)
    assert json.loads(done.proof or "")["entry"] == 0
    assert json.loads(done.proof or "")["digest"] == entry.key
    assert cell.store.look(job).order == "{}"
    assert cell.store.look(other).order != "{}"
    assert asyncio.run(cell.objects.size(key(ACME, "given", "one"))) is None
    assert asyncio.run(cell.objects.size(key(BOLT, "given", "one"))) == 1


def test_an_erasure_waits_until_the_studio_has_let_go(cell):
    cell.submit()
    (job,) = cell.store.claim("studio")
    cell.store.ask_erasure("e" * 32, ACME)
    cell.turn()
    assert cell.pen.entries == []

    cell.store.stop(job.id, job.fence)
    cell.turn()
    assert [type(each) for each in cell.pen.entries] == [Erased]


def test_sources_go_when_they_are_old_and_no_job_waits_that_long(cell):
    asyncio.run(cell.objects.put(key(ACME, "given", "one"), b"x"))
    asyncio.run(cell.objects.put(key(ACME, "film", "one"), b"x"))
    cell.now = 4_000_000_000_000  # ms: long after the file was written
    cell.turn()

    assert asyncio.run(cell.objects.size(key(ACME, "given", "one"))) is None
    assert asyncio.run(cell.objects.size(key(ACME, "film", "one"))) == 1


def written(tmp_path: Path, cell: Cell) -> Path:
    """A source that was written now, by the cell's clock."""
    asyncio.run(cell.objects.put(key(ACME, "given", "one"), b"x"))
    file = tmp_path / "objects" / ACME / "given" / "one"
    os.utime(file, times=(cell.now / 1000,) * 2)
    return file


@pytest.mark.parametrize("runs", [False, True])
def test_a_source_stays_until_its_own_job_has_ended_however_long_that_takes(cell, tmp_path, runs):
    source = written(tmp_path, cell)
    cell.now += 5_000  # a body is read, and then its job is made
    mine = cell.submit()
    if runs:
        (job,) = cell.store.claim("studio")
        assert job.id == mine
    cell.now += 100 * HOUR
    cell.submit(BOLT)
    cell.turn()
    kept = source.exists()
    cell.store.cancel(ACME, mine)
    if runs:
        cell.store.stop(job.id, job.fence)
    cell.now += HOUR
    cell.turn()

    assert (kept, source.exists()) == (True, False)


# Sealed --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sealing(cell) -> Cell:
    """The same cell, which seals."""
    keys = Keyring("eu-par", cell.store, CellKey([b"s" * 32], os.urandom), draw=os.urandom, clock=lambda: 0)
    cell.objects = SealedObjects(cell.objects, keys)
    cell.chores.objects, cell.chores.keyring = cell.objects, keys
    return cell


def test_erasure_destroys_the_key_and_logs_that_before_an_object_is_deleted(sealing):
    stored = asyncio.run(sealing.objects.put(key(ACME, "given", "one"), b"x"))
    others = asyncio.run(sealing.objects.put(key(BOLT, "given", "one"), b"y"))
    sealing.store.ask_erasure("e" * 32, ACME)
    seen: list[tuple[int, object]] = []
    delete = sealing.objects.delete

    async def noting(place):
        seen.append((len(sealing.pen.entries), sealing.store.data_key(ACME)))
        await delete(place)

    sealing.objects.delete = noting
    sealing.turn()
    with pytest.raises(Broken, match="not in the store"):
        asyncio.run(sealing.objects.get(stored))
    sealing.turn()

    shredded, done = sealing.pen.entries
    (erasure,) = sealing.store.erasures()
    assert seen == [(1, None)]
    assert json.loads(erasure.proof or "") == {
        "entry": 1,
        "digest": done.key,
        "objects_left": 0,
        "keys_destroyed": [shredded.key],
    }
    assert asyncio.run(sealing.objects.get(others)) == b"y"


def test_an_erasure_that_was_cut_off_after_the_key_still_proves_it(sealing):
    asyncio.run(sealing.objects.put(key(ACME, "given", "one"), b"x"))
    sealing.store.ask_erasure("e" * 32, ACME)
    sealing.chores.keyring.destroy(ACME)
    for _ in range(2):
        sealing.turn()

    (erasure,) = sealing.store.erasures()
    assert len(json.loads(erasure.proof or "")["keys_destroyed"]) == 1


def test_an_erasure_whose_log_is_away_destroys_no_key_before_the_log_says_so(sealing):
    stored = asyncio.run(sealing.objects.put(key(ACME, "given", "one"), b"x"))
    sealing.store.ask_erasure("e" * 32, ACME)
    commit, sealing.pen.commit = sealing.pen.commit, away
    sealing.turn()
    kept = asyncio.run(sealing.objects.get(stored))
    sealing.pen.commit = commit
    for _ in range(2):
        sealing.turn()

    (erasure,) = sealing.store.erasures()
    shredded, _ = sealing.pen.entries
    assert kept == b"x"
    assert json.loads(erasure.proof or "")["keys_destroyed"] == [shredded.key]


def test_a_key_whose_destruction_failed_half_way_is_in_the_log_all_the_same(sealing, monkeypatch):
    asyncio.run(sealing.objects.put(key(ACME, "given", "one"), b"x"))
    sealing.store.ask_erasure("e" * 32, ACME)
    destroy = sealing.chores.keyring.destroy

    def destroys_and_fails(tenant):
        destroy(tenant)
        raise Unavailable("The job store's disk is full.")

    monkeypatch.setattr(sealing.chores.keyring, "destroy", destroys_and_fails)
    sealing.turn()
    monkeypatch.undo()
    for _ in range(2):
        sealing.turn()

    (erasure,) = sealing.store.erasures()
    shredded, _ = sealing.pen.entries
    assert json.loads(erasure.proof or "")["keys_destroyed"] == [shredded.key]


# What killed writers leave -------------------------------------------------------------------------------------------


def left_by_a_killed_writer(cell: Cell, tmp_path: Path, hours: float) -> tuple[Path, Path]:
    """An unfinished upload and a draft of the store's own, of a tenant and so old by the cell's clock."""
    draft = tmp_path / "objects" / ACME / "uploads" / "file_aa#1"
    asyncio.run(cell.objects.put(key(ACME, "parts", "0" * 32), b"half a film"))
    draft.parent.mkdir(exist_ok=True)
    draft.write_bytes(b"half an upload")
    part = tmp_path / "objects" / ACME / "parts" / ("0" * 32)
    for each in (part, draft):
        os.utime(each, times=(cell.now / 1000 - hours * 3600,) * 2)
    return part, draft


@pytest.mark.parametrize(("hours", "left"), [(0.5, True), (1.5, False)])
def test_what_killed_writers_left_goes_after_an_hour_with_a_sweep(cell, tmp_path, hours, left):
    found = left_by_a_killed_writer(cell, tmp_path, hours)

    cell.turn()

    assert [each.exists() for each in found] == [left, left]


def test_an_erasure_says_that_nothing_is_left_when_drafts_of_killed_writers_are_gone_too(cell, tmp_path):
    cell.turn()  # so that no sweep is due
    found = left_by_a_killed_writer(cell, tmp_path, 0.0)
    others = tmp_path / "objects" / BOLT / "uploads" / "file_bb#1"
    others.parent.mkdir(parents=True)
    others.write_bytes(b"an upload that goes on")
    cell.store.ask_erasure("e" * 32, ACME)
    for _ in range(3):
        cell.turn()

    (erasure,) = cell.store.erasures()
    assert json.loads(erasure.proof or "")["objects_left"] == 0
    assert not any(each.exists() for each in found)
    assert others.exists()
