"""When what clients have sent goes: sources of films, and uploads. Films and checkpoints are the job store's matter.

A source is needed until its job has ended, and is there before its job is. So nothing goes that may belong to the
oldest job that has not ended, whether it waits or runs.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from serving.jobs.store import Store
from serving.media.ingest import FOLDER as SOURCES
from serving.media.store import Key, Objects
from serving.media.uploads import FOLDER as UPLOADS

__all__ = ["sweep"]

BEFORE_MS: Final = 3_600_000  # in which a job surely follows its sources
MOST: Final = 1_000  # objects in one go; the next go takes the rest


async def sweep(store: Store, objects: Objects, *, now: int, keep_ms: int) -> int:
    """Delete sources and uploads that are older than `keep_ms`; returns how many. `now` is milliseconds since 1970."""
    open_since = await asyncio.to_thread(store.earliest)
    oldest = now - keep_ms if open_since is None else min(now - keep_ms, open_since - BEFORE_MS)
    due = []
    async for found in objects.older(datetime.fromtimestamp(oldest / 1000, UTC)):
        if found.key.partition("/")[2].partition("/")[0] in (SOURCES, UPLOADS):
            due.append(found.key)
        if len(due) == MOST:
            break
    for folder in (SOURCES, UPLOADS):  # what is counted and not there: who deleted it was cut off
        due += [Key(each.name) for each in await asyncio.to_thread(store.held_before, folder, oldest, MOST)]
    for key in dict.fromkeys(due):
        await objects.delete(key)
    return len(set(due))
