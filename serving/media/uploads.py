"""Files that a tenant leaves in the cell for later use, found again by their id or their `oss://` key alone.

Where a file lies follows from the tenant who asks and what it names, so another tenant's file cannot be found: it looks
exactly like one that never was. No table has to be kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from serving.desk import Upload
from serving.media.store import Key, Objects, key

__all__ = ["Uploads"]

FOLDER: Final = "uploads"
_ID: Final = re.compile(r"file_[0-9a-f]{32}")


class Uploads:
    """The uploads of one cell. `draw` gives that many random bytes, `now` milliseconds since 1970."""

    def __init__(self, objects: Objects, *, most: int, draw: Callable[[int], bytes], now: Callable[[], int]) -> None:
        self._objects = objects
        self._most = most  # bytes of one file
        self._draw = draw
        self._now = now

    async def add(self, tenant: str, name: str, body: AsyncIterator[bytes]) -> Upload:
        """Keep a file under an id of its own. Raises TooLarge."""
        return await self._put(tenant, f"file_{self._draw(16).hex()}", name, body)

    async def keep(self, tenant: str, granted: str, body: AsyncIterator[bytes]) -> Upload:
        """Keep a file as `oss://GRANTED`. The same content again is kept once; raises Conflict for other, TooLarge."""
        return await self._put(tenant, _id_of(granted), granted.rpartition("/")[2], body)

    async def find(self, tenant: str, named: str) -> tuple[Key, int] | None:
        """Where a file lies and how many bytes it has, by its id or as `oss://KEY`; None for what is not there."""
        scheme, _, granted = named.partition("://")
        name = _id_of(granted) if scheme.lower() == "oss" else named
        if not _ID.fullmatch(name):
            return None
        place = key(tenant, FOLDER, name)
        size = await self._objects.size(place)
        return None if size is None else (place, size)

    async def _put(self, tenant: str, own: str, name: str, body: AsyncIterator[bytes]) -> Upload:
        stored = await self._objects.put_stream(key(tenant, FOLDER, own), body, most=self._most)
        return Upload(id=own, name=name, bytes=stored.bytes, created=self._now())


def _id_of(granted: str) -> str:
    """The id of the file that lies at a key, which may hold letters that no object's name has."""
    return f"file_{hashlib.sha256(granted.encode()).hexdigest()[:32]}"
