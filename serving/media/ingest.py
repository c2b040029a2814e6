"""From media that a request names to media that lie in the cell: fetched or found, looked at, and kept.

Whatever a client sends is read as one of the formats of `model.media`, all of it, in a process of its own, before a job
is made. The studio reads the same bytes later and finds nothing new in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from model.clip import Size
from model.media.limits import FilmLimits, ImageLimits
from serving.errors import BadMedia, Unavailable
from serving.media.fetch import Fetcher
from serving.media.guard import Reach
from serving.media.prober import Prober
from serving.media.store import Objects, Stored, key
from serving.media.uploads import Uploads
from serving.wish import Given, Role

__all__ = ["Ingest", "Taken"]

FOLDER: Final = "given"

#: The finished film of a tenant's job, by the job's id. Raises UnknownJob, NotPossible.
FilmOf = Callable[[str, str], Awaitable[Stored]]


@dataclass(frozen=True, slots=True)
class Taken:
    """One piece of media, looked at and kept."""

    role: Role
    stored: Stored
    size: Size  # as it is shown
    seconds: float  # of a film, as far as it is used; 0 for an image


class Ingest:
    """Takes media in for one cell. `draw` gives that many random bytes."""

    def __init__(
        self,
        objects: Objects,
        fetcher: Fetcher,
        prober: Prober,
        uploads: Uploads,
        *,
        reach: Callable[[str], Reach],  # of a tenant
        film_of: FilmOf,
        draw: Callable[[int], bytes],
        images: ImageLimits | None = None,
        films: FilmLimits | None = None,
        at_once: int = 2,
    ) -> None:
        """`at_once` is how many requests of one tenant hold media at the same time; further ones wait."""
        self._objects = objects
        self._fetcher = fetcher
        self._prober = prober
        self._uploads = uploads
        self._reach = reach
        self._film_of = film_of
        self._draw = draw
        self._takes = _Turns(at_once)
        self._looks = _Turns(1)  # so that no tenant has all who look at media
        self._most = {False: (images or ImageLimits()).bytes, True: (films or FilmLimits()).bytes}

    async def take(self, tenant: str, given: Sequence[Given]) -> tuple[Taken, ...]:
        """All media of one request, in its order; nothing is kept unless all are good.

        Raises BadMedia, which names the field; UnknownJob or NotPossible for a job; Unavailable.
        """
        if not given:
            return ()
        async with self._takes.of(tenant):
            return await self._take(tenant, given)

    async def _take(self, tenant: str, given: Sequence[Given]) -> tuple[Taken, ...]:
        looked = [await self._look(tenant, each) for each in given]
        kept: list[Taken] = []
        try:
            for each, (body, size, seconds) in zip(given, looked, strict=True):
                stored = await self._objects.put(key(tenant, FOLDER, self._draw(16).hex()), body)
                kept.append(Taken(each.role, stored, size, seconds))
        except BaseException:
            for taken in kept:
                with suppress(Unavailable):  # retention finds it later
                    await self._objects.delete(taken.stored.key)
            raise
        return tuple(kept)

    async def _look(self, tenant: str, given: Given) -> tuple[bytes, Size, float]:
        film = given.role is Role.SOURCE
        body = await self._body(tenant, given, self._most[film])
        async with self._looks.of(tenant):
            seen = await self._prober.look(body, film=film, field=given.field)
        return body, seen.size, seen.seconds

    async def _body(self, tenant: str, given: Given, most: int) -> bytes:
        """The bytes that are named in exactly one way."""
        if given.body is not None:
            _bound(len(given.body), most, given)
            return given.body
        if given.job is not None:
            film = await self._film_of(tenant, given.job)
            _bound(film.bytes, most, given)
            return await self._objects.get(film)
        if given.file is not None or (given.url or "").lower().startswith("oss://"):
            return await self._upload(tenant, given, most)
        url, reach = given.url or "", self._reach(tenant)
        return (await self._fetcher.fetch(url, field=given.field, tenant=tenant, reach=reach, most=most)).body

    async def _upload(self, tenant: str, given: Given, most: int) -> bytes:
        found = await self._uploads.find(tenant, given.file or given.url or "")
        if found is None:
            raise BadMedia(
                given.field, f"{given.field}: there is no such upload. Upload the file, and give its new id."
            )
        place, size = found
        _bound(size, most, given)
        return b"".join([piece async for piece in self._objects.read(place, 0, size)])


class _Turns:
    """So many at once for each tenant; of one that nobody waits for or has, nothing is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, tenant: str) -> asyncio.Semaphore:
        return self._found.setdefault(tenant, asyncio.Semaphore(self._most))


def _bound(size: int, most: int, given: Given) -> None:
    if size > most:
        raise BadMedia(
            given.field, f"{given.field}: this has more than {most:,} bytes. Make it smaller, and send it again."
        )
