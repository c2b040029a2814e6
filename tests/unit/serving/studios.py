"""Studios whose engine, store and films are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serving.jobs.job import Draft, JobId, State, TenantId, new_id
from serving.jobs.memory import MemoryStore
from serving.studio.studio import Habits, Studio

ACME = TenantId("t-0123456789abcdef")


@dataclass
class Engine:
    """Lives until it is told otherwise; makes nothing."""

    fault: Exception | None = None
    cancelled: list[str] = field(default_factory=list)

    async def check(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def cancel(self, job: str) -> None:
        self.cancelled.append(job)


def a_studio(store: Any, engine: Any = None, *, pen: Any = None, **habits: Any) -> Studio:
    unused: Any = None
    engine = engine or Engine()
    return Studio(
        "studio",
        store=store,
        objects=unused,
        engine=engine,
        maker=unused,
        marker=unused,
        judge=unused,
        pen=pen,
        place=unused,
        now=lambda: 0,
        habits=Habits(**{"look_s": 0.01} | habits),
    )


def submit(store: MemoryStore, number: int = 1) -> list[JobId]:
    """So many jobs that wait."""
    drafts = [
        Draft(id=new_id(n.to_bytes(16)), tenant=ACME, order="{}", fingerprint=f"f{n}", estimated_ms=1)
        for n in range(number)
    ]
    return [store.submit(draft).job.id for draft in drafts]


def a_store_with_a_job(
    kind: type[MemoryStore] = MemoryStore, clock: Callable[[], int] = lambda: 0
) -> tuple[MemoryStore, JobId]:
    store = kind(clock)
    return store, submit(store)[0]


def claims_of(store: MemoryStore, job: JobId) -> int:
    return sum(each.state is State.RUNNING for each in store.moves(job))


def raising(error: Exception) -> Callable[[object], Any]:
    async def make(_: object) -> None:
        raise error

    return make


async def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Returns when something has come true; fails when it does not."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)
