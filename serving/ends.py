"""Ends that no studio tells the residency log of: of jobs that nobody had, or whose studio has gone.

A job that is cancelled while it waits, deleted, erased, handed back after its cancel or given up by the store is known
to the store alone. Without an end in the log an auditor would see a decision to which nothing followed. An end that is
told twice is no fault: a request may have had several workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from policies.errors import PolicyError
from policies.log.entry import Execution
from serving.gate import Pen, Place
from serving.jobs.store import Keep

__all__ = ["MOST", "tell_all", "tell_ends"]

MOST: Final = 256  # of one go; the log takes them in one commit or two


async def tell_ends(store: Keep, pen: Pen, place: Place) -> int:
    """Tells the oldest ends that the log has not heard of, and returns how many. Raises PolicyError when the log is
    away; then nothing counts as told."""
    told = 0
    while some := await asyncio.to_thread(store.unlogged, MOST):
        await tell_all(pen, place, some)
        await asyncio.to_thread(store.logged, [job for _, job in some])
        told += len(some)
    return told


async def tell_all(pen: Pen, place: Place, ended: Sequence[tuple[str, str]]) -> None:
    """Writes an end without output for each tenant and job. Raises PolicyError; then some may be written."""
    try:
        async with asyncio.TaskGroup() as group:
            for tenant, job in ended:
                group.create_task(_tell(pen, place, tenant, job))
    except* PolicyError as errors:
        raise errors.exceptions[0] from None


async def _tell(pen: Pen, place: Place, tenant: str, job: str) -> None:
    entry = Execution(
        ten=tenant,
        req=f"r-{job}",
        region=place.region,
        evid=place.evidence,
        dec2="allow",
        ms=0,
        gpu=place.accelerator,
        in_bytes=0,
        out_bytes=0,
        egress=place.egress,
    )
    await pen.commit(entry)
