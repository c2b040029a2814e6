"""What a job is, and the moves that it can make."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from serving.jobs.job import MOVES, TERMINAL, Draft, Job, State, TenantId, claim_order, new_id
from serving.jobs.memory import MemoryStore


def job(**values) -> Job:
    """A job that waits, but for `values`."""
    store = MemoryStore(lambda: 1_000)
    known = {"estimated_ms": 10, "chunks": 3, "priority": 0, "start_within_ms": None}
    asked = {k: values.pop(k, v) for k, v in known.items()}
    draft = Draft(id=new_id(bytes(16)), tenant=TenantId("t-1"), order="{}", fingerprint="f", **asked)
    made = store.submit(draft).job
    return made.__class__(**{name: values.get(name, getattr(made, name)) for name in made.__slots__})


def test_every_state_has_its_moves():
    assert set(MOVES) == set(State)


def test_only_a_terminal_job_never_runs_again():
    reachable = {s: set(MOVES[s]) for s in State}
    for _ in State:
        for s in State:
            reachable[s] |= {t for r in tuple(reachable[s]) for t in MOVES[r]}

    assert {s for s in State if State.RUNNING not in reachable[s]} == TERMINAL


def test_every_job_can_reach_an_end():
    assert all(MOVES[s] & TERMINAL for s in State if s is not State.EXPIRED)


@given(st.sampled_from(State), st.integers(0, 50), st.integers(0, 50))
def test_progress_is_a_per_cent_and_full_only_with_the_film(state, chunks, chunks_done):
    progress = job(state=state, chunks=chunks, chunks_done=chunks_done).progress

    assert 0 <= progress <= 100
    assert (progress == 100) == (state is State.SUCCEEDED)


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_a_random_uuid_without_dashes(random):
    made = new_id(random)

    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert UUID(made).version == 4


def test_claims_go_by_priority_then_deadline_then_age():
    plain, older = job(), job(created=1)
    soon, later = job(deadline=5), job(deadline=9)
    first = job(priority=1)

    assert sorted([plain, later, older, first, soon], key=claim_order) == [first, soon, later, older, plain]
