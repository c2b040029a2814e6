"""Objects that nobody knows. A studio that lost its lease may finish an upload after the film's row was deleted, and a
process may die, or sleep, between its count and its object; what they leave is found by going through the store.

A film without a living row is deleted once it is a day old: its owner cannot ask for it and no retention would ever
end it. The day is for an operator who has put an older copy of the database back and sees it. What lies there
uncounted is counted.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from serving.jobs.job import TenantId
from serving.jobs.room import Held
from serving.jobs.store import Store
from serving.media.objects import Found, tenant_of
from serving.media.room import BROUGHT, DRAFTS, folder_of
from serving.media.store import Key, Objects

__all__ = ["KNOWN_MS", "ORPHAN_MS", "free_unfinished", "look_through"]

log = logging.getLogger(__name__)

KNOWN_MS: Final = 3_600_000  # in which who writes an object has counted it
ORPHAN_MS: Final = 24 * KNOWN_MS  # after which a film that no row knows is deleted
LOT: Final = 500  # objects that the store is asked about at once
MOST: Final = 1_000  # that are deleted in one go; the next go takes the rest
_FILM: Final = re.compile(r"[^/]+/[0-9a-f]{32}/[0-9]+/[^/]+")  # TENANT/JOB/FENCE/NAME


async def look_through(store: Store, objects: Objects, *, now: int) -> int:
    """Count what is not counted, and delete films that no row knows; returns how many. `now` is ms since 1970."""
    gone = 0
    async for lot in _lots(objects.older(_moment(now - KNOWN_MS))):
        orphans = await _orphans(store, [each for each in lot if each.written < _moment(now - ORPHAN_MS)])
        await _count(store, [each for each in lot if each.key not in orphans])
        for key in sorted(orphans)[: MOST - gone]:
            await objects.delete(key)
            gone += 1
    if gone:
        log.warning("%d objects of films that no job knows were deleted.", gone)
    return gone


def free_unfinished(store: Store, before: int) -> int:
    """Free what was counted for objects whose writers are gone; returns for how many. Milliseconds since 1970."""
    left = store.held_before(DRAFTS, before, MOST)
    for each in left:
        store.free_bytes(each.name)
    return len(left)


async def _orphans(store: Store, lot: Sequence[Found]) -> frozenset[Key]:
    films = [each.key for each in lot if _FILM.fullmatch(each.key)]
    living = await asyncio.to_thread(store.living, films)
    return frozenset(key for key in films if key not in living)


async def _count(store: Store, lot: Sequence[Found]) -> None:
    """What clients bring and films; what grows in a folder of its own is counted by its writer."""
    ours = {each.key: each for each in lot if folder_of(each.key) in BROUGHT or _FILM.fullmatch(each.key)}
    of_tenant = defaultdict[str, list[Held]](list)
    for key in map(Key, sorted(await asyncio.to_thread(store.uncounted, list(ours)))):
        tenant = tenant_of(ours[key].key)
        of_tenant[tenant].append(Held(name=key, tenant=TenantId(tenant), bytes=ours[key].bytes))
    for held in of_tenant.values():
        await asyncio.to_thread(store.count_bytes, held)


async def _lots(found: AsyncIterator[Found]) -> AsyncIterator[Sequence[Found]]:
    lot: list[Found] = []
    async for each in found:
        lot.append(each)
        if len(lot) == LOT:
            yield lot
            lot = []
    if lot:
        yield lot


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
