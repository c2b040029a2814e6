"""Who is woken by what a studio writes: whoever watches that very job, and nobody who waits for work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.jobs.job import Draft, Job, TenantId, new_id
from serving.jobs.records import Artefact
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


def test_a_job_that_is_handed_back_wakes_whoever_waits_for_work(store, rung):
    job = taken(store, rung)

    store.hand_back(job.id, job.fence)

    assert rung == {None}


def test_a_wish_and_its_end_wake_whoever_waits(store, rung):
    job = taken(store, rung)

    store.cancel(ACME, job.id)

    assert rung == {None}
