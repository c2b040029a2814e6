"""Watching a job from an event loop, without a thread for each watcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from serving.jobs.job import Job, JobId, TenantId
from serving.jobs.store import Store


async def watch(
    store: Store, tenant: TenantId, job: JobId, look: Callable[[], Awaitable[Job]] | None = None
) -> AsyncIterator[Job]:
    """The job now and after each change, until it is terminal. Raises UnknownJob, also when it is deleted meanwhile.

    `look` finds the job where many watch at once and share their looks; without it each asks in a thread.
    """
    seen = -1
    with store.bell.ear(job) as ear:
        while True:
            found = await (look() if look else asyncio.to_thread(store.get, tenant, job))
            if found.revision > seen:
                seen = found.revision
                yield found
            if found.terminal:
                return
            await ear.heard(store.rules.poll_ms / 1000)
