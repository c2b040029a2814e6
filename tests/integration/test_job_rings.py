"""Who is woken by what a studio writes: whoever watches that very job, and nobody who waits for work."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.jobs.bell import WORK, Bell
from serving.jobs.job import Draft, Job, TenantId, new_id
from serving.jobs.records import Artefact
from serving.jobs.sql.sqlite import DiskFeed, Glance
from serving.jobs.sql.store import SqlStore, open_store

ACME = TenantId("t-acme")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{tmp_path}/jobs.sqlite")
    yield store
    store.close()


@pytest.fixture
def rung(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """Topics that were rung; None is all of them."""
    heard = set[str | None]()
    monkeypatch.setattr(store._db.bell, "ring", lambda topic=None: heard.add(topic))
    return heard


def taken(store: SqlStore, rung: set[str | None]) -> Job:
    """A job in hand, and silence."""
    store.submit(
        Draft(id=new_id(os.urandom(16)), tenant=ACME, order="{}", fingerprint="f", estimated_ms=1000, chunks=1)
    )
    (job,) = store.claim("studio")
    rung.clear()
    return job


def test_a_job_that_is_made_wakes_nobody_but_those_who_watch_it(store, rung):
    job = taken(store, rung)
    film = Artefact(key="k", tenant=ACME, job=job.id, sha256="", key_id="", expires=0)

    store.renew(job.id, job.fence)
    store.plan(job.id, job.fence, chunks=1, estimated_ms=10)
    store.checkpoint(job.id, 0, job.fence, b"codes")
    store.note(film, job.fence)
    store.complete(job.id, job.fence, result="{}", usage="{}", keep_ms=1000, keys=[film.key])

    assert rung == {job.id}


def test_a_wish_wakes_whoever_waits_for_work_and_a_claim_those_who_watch_the_job(store, rung):
    store.submit(
        Draft(id=new_id(os.urandom(16)), tenant=ACME, order="{}", fingerprint="f", estimated_ms=1000, chunks=1)
    )
    submitted = set(rung)
    rung.clear()
    (job,) = store.claim("studio")

    assert submitted == {WORK}
    assert rung == {job.id}


def test_what_another_process_writes_is_rung_for_at_once_and_our_own_writes_once_a_second():
    glance = Glance()

    assert glance.worth(1, 0, 10.00)
    assert not glance.worth(1, 1, 10.05)  # nothing was written
    assert glance.worth(2, 1, 10.10)  # by another, since nobody here has rung
    rings, rung = 2, []
    for look in range(100):  # five seconds of our own writes
        rings += 3
        if glance.worth(3 + look, rings, 10.15 + 0.05 * look):
            rings += 1
            rung.append(look)
    assert 4 <= len(rung) <= 6
    assert glance.worth(103, rings, 20.0)  # the last one too, whoever wrote it


def test_a_job_that_is_handed_back_wakes_whoever_waits_for_work(store, rung):
    job = taken(store, rung)

    store.hand_back(job.id, job.fence)

    assert rung == {None}


def test_a_wish_and_its_end_wake_whoever_waits(store, rung):
    job = taken(store, rung)

    store.cancel(ACME, job.id)

    assert rung == {None}


def test_a_feed_whose_disk_fails_for_a_moment_rings_again(monkeypatch, tmp_path):
    looks = count()

    class Eye:
        def execute(self, _: str) -> SimpleNamespace:
            number = next(looks)
            if number < 3:
                raise sqlite3.OperationalError("disk I/O error")
            return SimpleNamespace(fetchone=lambda: (number,))

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Eye())
    bell, feed = Bell(), DiskFeed(tmp_path / "jobs.db")
    with bell.ear("a job") as ear:
        feed.start(bell)
        ear.wait(10)
    feed.close()

    assert bell.rings > 0
