"""Everything that can go wrong around the job store, done to it on purpose; afterwards every promise is checked."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.errors import Unavailable
from serving.jobs.job import Draft, JobId, State, new_id
from serving.jobs.records import Artefact
from serving.jobs.sql.database import Run
from serving.jobs.sql.store import SqlStore, open_store
from tests.chaos.studio import CHUNKS, TENANT, rules
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
LEASE_MS = 1500
PATIENCE_S = 240  # for a whole test on a busy machine


class Crew:
    """Processes of `tests.chaos.studio`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._number = 0
        self.studios: list[subprocess.Popen[str]] = []
        self.heard: list[str] = []  # what ended processes have said
        self._readers: list[threading.Thread] = []

    def start(self, name: str | None = None, number: int = LEASE_MS) -> subprocess.Popen[str]:
        """A studio; with a name, one of the others that `tests.chaos.studio` knows."""
        self._number += 1
        told = [self._address, name or f"studio-{self._number}", str(number)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.studio", *told], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        reader = threading.Thread(target=self._hear, args=(process,), daemon=True)
        reader.start()
        self._readers.append(reader)
        self.studios += [process] if name is None else []
        return process

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.heard += [line.strip() for line in process.stdout if line.endswith("\n")]

    def end(self) -> None:
        """Kill all that is left."""
        for process in self.studios:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join(10)


@contextmanager
def crew(address: str, studios: int) -> Iterator[Crew]:
    """A crew that does not outlive the test."""
    made = Crew(address)
    try:
        for _ in range(studios):
            made.start()
        yield made
    finally:
        made.end()


def submit(store: SqlStore, number: int) -> set[JobId]:
    made = {new_id(random.randbytes(16)) for _ in range(number)}
    for job in made:
        store.submit(
            Draft(
                id=job, tenant=TENANT, order="{}", fingerprint=job, estimated_ms=20, chunks=CHUNKS, webhook="https://x/"
            )
        )
    return made


def steadily(call: Callable[[], Any]) -> Any:
    """What a call answers once the store is there again."""
    while True:
        try:
            return call()
        except Unavailable:
            time.sleep(0.05)


def finish(store: SqlStore, number: int, meanwhile: Callable[[], None]) -> None:
    """Reap, and let `meanwhile` do its worst, until all jobs have ended."""
    end = time.monotonic() + PATIENCE_S
    while len(steadily(lambda: store.board([State.SUCCEEDED], limit=10_000))) < number:
        assert time.monotonic() < end, steadily(store.backlog)
        meanwhile()
        steadily(store.reap)
        time.sleep(0.1)


def check(store: SqlStore, accepted: set[JobId]) -> None:
    """Every promise: none lost, none billed twice, none finished by a stale fence, every end told once."""
    jobs = {job.id: job for job in store.board(limit=10_000)}
    assert accepted <= set(jobs)  # 0 lost
    assert {job.state for job in jobs.values()} == {State.SUCCEEDED}  # every job terminal
    usage = store.usage()
    assert Counter(line.job for line in usage) == Counter(list(jobs))  # each billed exactly once
    for line in usage:
        job = jobs[line.job]
        assert job.result is not None
        assert line.line == job.result  # by the worker whose film it is
        assert json.loads(job.result)["fence"] == job.fence  # and that worker held the last lease
        assert store.artefact(TENANT, json.loads(job.result)["key"]) is not None
    for job in jobs.values():
        moves = store.history(TENANT, job.id)
        fences = [e.fence for e in moves if e.state is State.RUNNING]
        assert fences == list(range(1, len(fences) + 1))  # no fence was given twice
        assert [e.state for e in moves].count(State.SUCCEEDED) == 1
    assert Counter(p.job for p in store.due_parcels(10_000)) == Counter(list(jobs))


class Harm:
    """Kills studios and starts others, and freezes some until their leases are gone."""

    def __init__(self, crew: Crew, rng: random.Random) -> None:
        self._crew = crew
        self._rng = rng
        self._frozen: dict[subprocess.Popen[str], threading.Timer] = {}  # what thaws them, whoever waits meanwhile
        self.done: Counter[str] = Counter()

    def __call__(self) -> None:
        victim = self._rng.choice(self._crew.studios)
        match self._rng.randrange(16):
            case 0:
                self._kill(victim)
            case 1 if victim not in self._frozen:
                self._freeze(victim)

    def _kill(self, victim: subprocess.Popen[str]) -> None:
        victim.kill()
        victim.wait()
        self._crew.studios.remove(victim)
        self._crew.start()
        self.done["killed"] += 1

    def _freeze(self, victim: subprocess.Popen[str]) -> None:
        victim.send_signal(signal.SIGSTOP)
        self._frozen[victim] = threading.Timer(1.5 * LEASE_MS / 1000, self._thaw, [victim])
        self._frozen[victim].start()
        self.done["frozen"] += 1

    def _thaw(self, victim: subprocess.Popen[str]) -> None:
        victim.send_signal(signal.SIGCONT)
        del self._frozen[victim]


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    return request.getfixturevalue("mortal").address()


@pytest.fixture
def store(address) -> Iterator[SqlStore]:
    opened = open_store(address, rules(LEASE_MS))
    yield opened
    opened.close()


# Processes that die --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_that_claim_at_once_never_share_a_job(store, address):
    made = submit(store, 500)
    with crew(address, 0) as c:
        for process in [c.start("claim", 3_600_000) for _ in range(4)]:
            assert process.wait(PATIENCE_S) == 0

    assert Counter(line.split()[0] for line in c.heard) == Counter(list(made))


@pytest.mark.slow
def test_studios_that_are_killed_and_frozen_lose_nothing_and_bill_nothing_twice(store, address):
    made = submit(store, 200)
    with crew(address, 4) as c:
        harm = Harm(c, random.Random(7))
        finish(store, 200, harm)

        check(store, made)
    assert min(harm.done["killed"], harm.done["frozen"]) >= 3, harm.done


@pytest.mark.slow
def test_a_gateway_that_is_killed_has_lost_nothing_that_it_promised(store, address):
    with crew(address, 1) as c:
        for _ in range(5):
            gateway = c.start("submit", 1000)
            time.sleep(random.uniform(1.0, 3.0))
            gateway.kill()
            gateway.wait()
        c.end()

    promised = {line for line in c.heard if " " not in line}
    assert promised <= {job.id for job in store.board(limit=10_000)}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["restart", "crash"])
def test_a_database_that_goes_away_takes_nothing_with_it(mortal, how):
    hurt = Counter[str]()

    def harm() -> None:
        hurt["rounds"] += 1
        if hurt["rounds"] % 12 == 3:
            mortal.stop("fast") if how == "restart" else mortal.kill()
            mortal.start()
            hurt["times"] += 1

    with closing(open_store(mortal.address(), rules(LEASE_MS))) as store, crew(mortal.address(), 3):
        made = submit(store, 200)
        finish(store, 200, harm)
        check(store, made)
    assert hurt["times"] >= 3


# Answers that are lost -----------------------------------------------------------------------------------------------


def away(dialect: str) -> Exception:
    """What the driver says when the database is gone or taken."""
    if dialect == "postgresql":
        return psycopg.OperationalError("the connection is gone")
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"
    return error


@contextmanager
def commit_that_is_lost(store: SqlStore, *, after: bool) -> Iterator[None]:
    """The next commit fails, having happened (`after`) or not."""
    dialect = store._db._engine.dialect
    real, lost = dialect.do_commit, list[object]()

    def commit(raw: Any) -> None:
        if lost:
            return real(raw)
        lost.append(raw)
        if after:
            real(raw)
        raise away(dialect.name)

    dialect.do_commit = commit  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        dialect.do_commit = real  # type: ignore[method-assign]
    assert lost


def life(store: SqlStore, lose: Callable[[str], Any]) -> dict[str, Any]:
    """One job's whole life, with every write under `lose`; what is left of it in the end."""
    draft = Draft(id=new_id(random.randbytes(16)), tenant=TENANT, order="{}", fingerprint="f", estimated_ms=1, chunks=1,
                  webhook="https://x/", idempotency_key="k")  # fmt: skip
    with lose("submit"):
        store.submit(draft)
    (job,) = store.claim("s")
    with lose("checkpoint"):
        store.checkpoint(job.id, 0, job.fence, b"x")
    with lose("hand_back"):
        store.hand_back(job.id, job.fence)
    (job,) = store.claim("s")
    film = Artefact(key="film", tenant=TENANT, job=job.id, sha256="00", key_id="", expires=0)
    with lose("note"):
        store.note(film, job.fence)
    with lose("complete"):
        done = store.complete(job.id, job.fence, result="{}", usage="{}", keep_ms=10**9, keys=["film"])
    left = {
        "usage": len(store.usage()),
        "moves": [e.state for e in store.history(TENANT, job.id)],
        "done": (done.state, done.attempts, done.fence, done.chunks_done),
        "told": len(store.due_parcels()),
    }
    with lose("delete"):
        gone = store.delete(TENANT, job.id)
    return {**left, "gone": gone.state}


@pytest.mark.parametrize("after", [False, True], ids=["not-persisted", "persisted"])
def test_a_commit_whose_answer_is_lost_counts_once(store, after):
    assert life(store, lambda _: commit_that_is_lost(store, after=after)) == {
        "usage": 1,
        "moves": [State.QUEUED, State.RUNNING, State.QUEUED, State.RUNNING, State.SUCCEEDED],
        "done": (State.SUCCEEDED, 1, 2, 1),
        "told": 1,
        "gone": State.EXPIRED,
    }


@pytest.mark.slow
def test_a_worker_that_freezes_in_mid_write_holds_nobody_up_for_long(mortal):
    frozen, thawed = threading.Event(), threading.Event()
    with closing(open_store(mortal.address(), rules(LEASE_MS))) as store:
        (made,) = submit(store, 1)
        (job,) = store.claim("s")

        def freeze(run: Run) -> None:
            run("renew", id=job.id, fence=job.fence, lease_ms=0)
            frozen.set()
            thawed.wait(60)

        def write() -> None:
            with suppress(Unavailable):
                store._db.write(freeze)

        worker = threading.Thread(target=write)
        worker.start()
        frozen.wait()
        time.sleep(LEASE_MS / 1000)
        begun = time.monotonic()

        assert [j.id for j in steadily(store.reap)] == [made]
        assert time.monotonic() - begun < 15
        thawed.set()
        worker.join()


@pytest.mark.parametrize("after", [False, True], ids=["not-persisted", "persisted"])
def test_bytes_whose_count_is_told_twice_are_counted_once(store, after):
    for size in (4, 7):
        with commit_that_is_lost(store, after=after):
            store.hold_bytes(TENANT, f"{TENANT}/drafts/a", size, most=9)
    with commit_that_is_lost(store, after=after):
        store.settle_bytes(f"{TENANT}/drafts/a", f"{TENANT}/uploads/x")

    assert store.bytes_held(TENANT) == 7


def test_a_claim_whose_answer_is_lost_is_reaped(store):
    submit(store, 1)
    with commit_that_is_lost(store, after=True):
        assert list(store.claim("s")) == []  # the second try finds nothing
    time.sleep(LEASE_MS / 1000 + 0.1)

    assert [job.state for job in store.reap()] == [State.QUEUED]


def test_a_store_that_stays_away_says_so_and_keeps_the_request_to_itself(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'jobs.db'}", rules(LEASE_MS))
    with suppress(Unavailable):
        store.now()
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    other.execute("DROP TABLE usage")
    other.execute("DROP TABLE job_events")
    secret = Draft(id=new_id(bytes(16)), tenant=TENANT, order="a secret horse", fingerprint="f", estimated_ms=1)

    with pytest.raises(Unavailable) as refused:
        store.submit(secret)

    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__
    other.close()
    store.close()


# Tables that change --------------------------------------------------------------------------------------------------


def test_an_old_worker_lives_with_tables_that_have_grown(store, address):
    _alter(address, "ALTER TABLE jobs ADD COLUMN later TEXT")
    made = submit(store, 1)

    (job,) = store.claim("s")

    assert {job.id} == made
    assert store.complete(job.id, job.fence, result="{}", usage="{}", keep_ms=1).state is State.SUCCEEDED


def test_a_worker_that_is_too_old_for_the_tables_refuses_to_start(store, address):
    _alter(address, "UPDATE store_floor SET least = 99")

    with pytest.raises(Unavailable, match="generation 99"):
        open_store(address)


def test_an_old_worker_starts_on_tables_that_newer_ones_have_grown(store, address):
    _alter(address, "UPDATE alembic_version SET version_num = '9999_pre'")

    late = open_store(address)

    assert late.backlog().queued == 0
    late.close()


def test_a_store_whose_tables_are_not_there_says_what_to_do(tmp_path):
    with pytest.raises(Unavailable, match="tables are migrated"):
        open_store(f"sqlite:///{tmp_path / 'jobs.db'}", migrated=False)


def test_events_cannot_be_changed_or_removed(store, address):
    submit(store, 1)

    for sql in ("UPDATE job_events SET note = 'x'", "DELETE FROM job_events"):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError), match="only ever added"):
            _alter(address, sql)


def test_the_database_refuses_moves_that_are_not_legal(store, address):
    submit(store, 1)

    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError), match="illegal move"):
        _alter(address, "UPDATE jobs SET state = 'succeeded'")


def _alter(address: str, sql: str) -> None:
    if address.startswith("sqlite"):
        raw = sqlite3.connect(address.removeprefix("sqlite:///"))
        try:
            raw.execute(sql)
            raw.commit()
        finally:
            raw.close()
    else:
        with psycopg.connect(address) as wire:
            wire.execute(sql)


def test_a_server_is_migrated_once_by_all_who_start_at_once(mortal: Server):
    opened: list[SqlStore] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(mortal.address()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 4
    for store in opened:
        store.close()
