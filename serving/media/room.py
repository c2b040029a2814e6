"""Objects that keep to each tenant's room: everything is counted, and what clients bring is refused where it is full.

A film is counted and never refused at its end: it was promised, and what it took to make it is spent. So what a tenant
has in the store is at most its room and the films that were ordered before it was full; orders are refused from then on
(`serving.front`). A body of unknown length is counted piece by piece before each is written, under a name of its own,
so two writers of one object cannot lose each other's count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final

from serving.errors import CellError, Limited
from serving.jobs.job import TenantId
from serving.jobs.room import Held, Room, no_room
from serving.media.objects import Found, Key, Objects, Stored, tenant_of

__all__ = ["BROUGHT", "DRAFTS", "Fill", "RoomyObjects", "folder_of"]

BROUGHT: Final = ("uploads", "given")  # folders of what clients bring, `FOLDER` of `uploads` and of `ingest`
DRAFTS: Final = "drafts"  # folder of names under which is counted what is being written; no object lies there
STEP: Final = 4 << 20  # bytes that are counted at once
LOOK_S: Final = 1.0  # how long a look at one tenant's room serves its orders
SEEN: Final = 4_096  # tenants whose rooms are remembered


class RoomyObjects:
    """See `serving.media.objects.Objects`. What clients bring raises Limited where their tenant's room is full."""

    def __init__(self, inner: Objects, room: Room, *, most: int, draw: Callable[[int], bytes]) -> None:
        """`most` is a tenant's room in bytes; `draw` gives that many random bytes."""
        self._inner, self._room, self._most, self._draw = inner, room, most, draw

    async def put(self, key: Key, body: bytes) -> Stored:
        """See Objects."""
        if folder_of(key) in BROUGHT:
            async with self._draft(key) as count:
                await count(len(body))
                return await self._inner.put(key, body)
        held = Held(name=key, tenant=TenantId(tenant_of(key)), bytes=len(body))
        await asyncio.to_thread(self._room.count_bytes, [held])
        return await self._inner.put(key, body)

    async def put_stream(self, key: Key, body: AsyncIterator[bytes], *, most: int) -> Stored:
        """See Objects."""
        async with self._draft(key) as count:
            return await self._inner.put_stream(key, _counted(body, count), most=most)

    async def get(self, stored: Stored) -> bytes:
        """See Objects."""
        return await self._inner.get(stored)

    def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """See Objects."""
        return self._inner.read(key, start, end)

    async def size(self, key: Key) -> int | None:
        """See Objects."""
        return await self._inner.size(key)

    async def delete(self, key: Key) -> None:
        """See Objects. Who is cut off between the two deletes again, and then frees."""
        await self._inner.delete(key)
        await asyncio.to_thread(self._room.free_bytes, key)

    def older(self, before: datetime, tenant: str | None = None) -> AsyncIterator[Found]:
        """See Objects."""
        return self._inner.older(before, tenant)

    async def tidy(self, before: datetime, tenant: str | None = None) -> int:
        """See Objects."""
        return await self._inner.tidy(before, tenant)

    @asynccontextmanager
    async def _draft(self, key: Key) -> AsyncIterator[_Count]:
        """Counts what is being written; what was not finished is freed, or by the sweep when nobody lives to do so."""
        tenant, room = TenantId(tenant_of(key)), self._room
        name = f"{tenant}/{DRAFTS}/{self._draw(16).hex()}"
        try:
            yield _Count(room, tenant, name, self._most)
        except BaseException:
            with suppress(CellError):
                await asyncio.to_thread(room.free_bytes, name)
            raise
        await asyncio.to_thread(room.settle_bytes, name, key)


class Fill:
    """How full tenants' rooms are, for orders: a second old at most, since a film fills its room only later."""

    def __init__(self, room: Room, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most` is a tenant's room in bytes; `clock` gives seconds that never go back."""
        self._room, self._most, self._clock = room, most, clock
        self._seen: dict[TenantId, tuple[float, bool]] = {}  # when, and whether it was full

    async def look(self, tenant: TenantId) -> Limited | None:
        """What a tenant hears where nothing more fits; None where something does."""
        now, known = self._clock(), self._seen.get(tenant)
        if known is None or now - known[0] >= LOOK_S:
            held = await asyncio.to_thread(self._room.bytes_held, tenant)
            if len(self._seen) >= SEEN:
                self._seen.clear()
            known = self._seen[tenant] = (now, held >= self._most)
        return no_room(self._most) if known[1] else None


class _Count:
    """Counts further bytes of one draft. The store is told how many there are in all, which it may be told twice."""

    def __init__(self, room: Room, tenant: TenantId, name: str, most: int) -> None:
        self._room, self._tenant, self._name, self._most = room, tenant, name, most
        self._size = 0

    async def __call__(self, more: int) -> None:
        """Raises Limited."""
        self._size += more
        await asyncio.to_thread(self._room.hold_bytes, self._tenant, self._name, self._size, self._most)


async def _counted(body: AsyncIterator[bytes], count: _Count) -> AsyncIterator[bytes]:
    """The same bytes, each counted before it is handed on."""
    held = bytearray()
    async for part in body:
        held += part
        if len(held) >= STEP:
            await count(len(held))
            yield bytes(held)
            held.clear()
    await count(len(held))  # of an empty body too, so that there is something to settle
    yield bytes(held)


def folder_of(key: Key | str) -> str:
    """The second part of a name: `uploads`, `given`, or a job's id."""
    return key.split("/")[1]
