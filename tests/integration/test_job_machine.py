"""Any sequence of calls leaves SQLite and Postgres in the same place as the in-memory twin, and no promise broken."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from serving.errors import CellError
from serving.jobs.job import MOVES, TERMINAL, Draft, JobId, State, TenantId
from serving.jobs.records import Artefact
from tests.integration.worlds import Postgres, Sqlite, World, in_memory

TENANTS = st.sampled_from([TenantId("t-1"), TenantId("t-2")])
FEW = st.integers(0, 3)
WAITS = st.sampled_from([0, 1, 50, 29_999, 30_000, 3_600_000, 86_400_000])
JUMPS = WAITS | st.sampled_from([-1, -30_000, -3_600_000])  # of a clock that somebody sets
SMALL = st.none() | st.sampled_from(["a", "b"])


class Machine(RuleBasedStateMachine):
    """Says everything to two stores and compares every answer, value by value."""

    make: Any

    @initialize()
    def open(self) -> None:
        self.worlds: list[World] = [type(self).make(), in_memory()]
        self.ids: list[JobId] = []
        self.leases: list[tuple[JobId, int]] = []
        self.fences: dict[JobId, int] = defaultdict(int)

    def teardown(self) -> None:
        for world in getattr(self, "worlds", ()):
            world.store.close()

    def both(self, name: str, *given: Any, **named: Any) -> Any:
        """What both stores answer, which is the same, errors and their words too."""
        answers = [self.one(world, name, *given, **named) for world in self.worlds]
        assert answers[0] == answers[1]
        return answers[0]

    def one(self, world: World, name: str, *given: Any, **named: Any) -> Any:
        try:
            answer = getattr(world.store, name)(*given, **named)
        except CellError as error:
            return type(error), str(error)
        return list(answer) if isinstance(answer, list | tuple) else answer

    def job(self, n: int) -> JobId:
        return self.ids[-1 - n % len(self.ids)] if self.ids else JobId("0" * 32)

    def lease(self, n: int) -> tuple[JobId, int]:
        return self.leases[-1 - n % len(self.leases)] if self.leases else (JobId("0" * 32), 1)

    @rule(
        tenant=TENANTS,
        key=SMALL,
        fingerprint=st.sampled_from("fg"),
        priority=st.integers(-1, 1),
        start_within_ms=st.none() | WAITS,
        retry_window_ms=st.sampled_from([0, 0, 100, 40_000]),
        webhook=SMALL,
        chunks=FEW,
    )
    def submit(self, tenant, key, **asked) -> None:
        fresh = JobId(f"{len(self.ids):032x}")
        draft = Draft(id=fresh, tenant=tenant, order='{"p":1}', estimated_ms=1000, idempotency_key=key, **asked)
        self.both("submit", draft)
        self.ids.append(fresh)

    @rule(most=st.integers(1, 3), owner=st.sampled_from(["s1", "s2"]))
    def claim(self, most, owner) -> None:
        for job in self.both("claim", owner, most):
            assert job.fence > self.fences[job.id]  # it only grows, and nobody else has it
            self.fences[job.id] = job.fence
            self.leases.append((job.id, job.fence))

    @rule(n=FEW, name=st.sampled_from(["renew", "hand_back", "stop", "resume"]))
    def hold(self, n, name) -> None:
        self.both(name, *self.lease(n))

    @rule(n=FEW, chunk=FEW)
    def checkpoint(self, n, chunk) -> None:
        job, fence = self.lease(n)
        self.both("checkpoint", job, chunk, fence, bytes([chunk]))

    @rule(n=FEW, chunks=st.integers(1, 4))
    def plan(self, n, chunks) -> None:
        self.both("plan", *self.lease(n), chunks=chunks, estimated_ms=777)

    @rule(n=FEW, tenant=TENANTS)
    def note(self, n, tenant) -> None:
        job, fence = self.lease(n)
        key = f"{job}/{fence}/film"
        self.both("note", Artefact(key=key, tenant=tenant, job=job, sha256="00", key_id="", expires=0), fence)

    @rule(n=FEW, keep_ms=WAITS, kept=st.booleans())
    def complete(self, n, keep_ms, kept) -> None:
        job, fence = self.lease(n)
        keys = [f"{job}/{fence}/film"] if kept else []
        self.both("complete", job, fence, result="{}", usage='{"s":1}', keep_ms=keep_ms, keys=keys)

    @rule(n=FEW)
    def fail(self, n) -> None:
        self.both("fail", *self.lease(n), error="generation_failed", text="It failed.")

    @rule(n=FEW, tenant=TENANTS, name=st.sampled_from(["get", "ahead", "history", "cancel", "delete"]))
    def ask(self, n, tenant, name) -> None:
        self.both(name, tenant, self.job(n))

    @rule(n=FEW, tenant=TENANTS)
    def cancel_queued(self, n, tenant) -> None:
        self.both("cancel", tenant, self.job(n), only_queued=True)

    @rule(
        tenant=TENANTS,
        n=st.none() | FEW,
        limit=st.integers(1, 3),
        offset=st.integers(0, 2),
        newest_first=st.booleans(),
        states=st.sampled_from([(), (State.QUEUED,), (State.EXPIRED, State.CANCELLED)]),
    )
    def page(self, tenant, n, **asked) -> None:
        self.both("list", tenant, after=None if n is None else self.job(n), **asked)

    @rule(tenant=TENANTS, fingerprint=st.sampled_from("fg"), window_ms=WAITS, key=SMALL)
    def known(self, tenant, fingerprint, window_ms, key) -> None:
        asked = {"order": "{}", "estimated_ms": 1, "fingerprint": fingerprint, "idempotency_key": key}
        self.both("known", Draft(id=JobId("f" * 32), tenant=tenant, retry_window_ms=window_ms, **asked))

    @rule(name=st.sampled_from(["backlog", "due_artefacts", "due_parcels", "now"]))
    def house(self, name) -> None:
        self.both(name)

    @rule(name=st.sampled_from(["reap", "expire"]))
    def sweep(self, name) -> None:
        subject, twin = (sorted(self.one(world, name), key=lambda j: j.id) for world in self.worlds)
        assert subject == twin

    @rule()
    def deliver(self) -> None:
        for parcel in self.both("due_parcels")[:1]:
            self.both("delivered", parcel.event)

    @rule()
    def ends(self) -> None:
        assert self.both("unlogged", 2) == self.both("unlogged", 100)[:2]
        self.both("logged", [job for _, job in self.both("unlogged", 1)])

    @rule(ms=JUMPS)
    def wait(self, ms) -> None:
        for world in self.worlds:
            world.jump(ms)

    @invariant()
    def nobody_is_billed_twice_or_for_nothing(self) -> None:
        if getattr(self, "worlds", None):
            jobs, usage = self.both("board", limit=1000), self.both("usage")
            billed = [u.job for u in usage]
            assert len(billed) == len(set(billed))
            assert set(billed) == {j.id for j in jobs if j.expires is not None}

    @invariant()
    def every_move_was_legal(self) -> None:
        for tenant in ("t-1", "t-2"):
            for job in getattr(self, "ids", [])[-4:]:
                events = self.one(self.worlds[0], "history", TenantId(tenant), job)
                if isinstance(events, list):
                    states = [e.state for e in events]
                    assert states[0] is State.QUEUED
                    assert all(b in MOVES[a] for a, b in pairwise(states))
                    assert sum(s in TERMINAL and s is not State.EXPIRED for s in states) <= 1


def check(make: Any, examples: int) -> None:
    machine = type("Check", (Machine,), {"make": staticmethod(make)})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )


def test_the_twin_keeps_its_promises():
    check(in_memory, 100)


@pytest.mark.slow
def test_sqlite_is_the_twin(tmp_path_factory):
    check(Sqlite(tmp_path_factory.mktemp("machine")), 40)


@pytest.mark.slow
def test_postgres_is_the_twin(postgres):
    check(Postgres(postgres), 25)
