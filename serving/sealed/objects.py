"""Objects that are sealed under their tenant's data key, in whichever store lies below.

Names, sizes and digests that callers see are those of the contents. What lay in the store before sealing was switched
on is read as it is. The same content sealed twice differs, so a put whose name is taken
opens what is there and compares contents.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serving.errors import Broken, Conflict, TooLarge
from serving.media.objects import Found, Key, Objects, Stored, tenant_of
from serving.sealed import box
from serving.sealed.box import HEAD, Box, Head, content_size, sealed_size
from serving.sealed.keys import Keyring

__all__ = ["SealedObjects"]

GROUP: Final = 15  # pieces that a reader holds at once: with their tags less than what the store hands out at once
SEEN: Final = 1_024  # heads that are remembered: an object never changes under its name


@dataclass(frozen=True, slots=True)
class _Seen:
    head: Head | None  # of a sealed object
    bytes: int  # in the store

    @property
    def content(self) -> int:
        return self.bytes if self.head is None else content_size(self.bytes)


class SealedObjects:
    """See `serving.media.objects.Objects`. Whatever needs a key raises Broken once that key was destroyed."""

    def __init__(self, inner: Objects, keyring: Keyring, *, seals: bool = True) -> None:
        """Without `seals` new objects are written as they are, and old ones are still opened."""
        self._inner, self._keys, self._seals = inner, keyring, seals
        self._seen: OrderedDict[Key, _Seen] = OrderedDict()  # oldest first

    async def put(self, key: Key, body: bytes) -> Stored:
        """See Objects."""
        if not self._seals:
            return await self._inner.put(key, body)
        stored = Stored(key, len(body), hashlib.sha256(body).hexdigest())
        _, own = await self._new_box(key)
        try:
            await self._inner.put(key, await asyncio.to_thread(own.seal_whole, body))
        except Conflict:
            await self._same(stored)
        return stored

    async def put_stream(self, key: Key, body: AsyncIterator[bytes], *, most: int) -> Stored:
        """See Objects."""
        if not self._seals:
            return await self._inner.put_stream(key, body, most=most)
        counted = _Counted(body, most)
        _, own = await self._new_box(key)
        try:
            await self._inner.put_stream(key, own.seal_stream(counted.parts()), most=sealed_size(most))
        except Conflict:
            await self._same(counted.stored(key))
        return counted.stored(key)

    async def get(self, stored: Stored) -> bytes:
        """See Objects."""
        body = b"".join([part async for part in self.read(stored.key, 0, stored.bytes)])
        if hashlib.sha256(body).hexdigest() != stored.sha256:
            raise Broken(f"The object {stored.key} is not what was written. Restore it, and look at the store's disks.")
        return body

    async def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """See Objects. Reads whole pieces, and hands out what was asked for of them.

        What does not open under a remembered head may have been put anew by another process, and is looked at again.
        """
        known, begun = self._seen.get(key), False
        seen = known or await self._first_look(key)
        try:
            async for part in self._read(key, seen, start, end):
                begun = True
                yield part
            return
        except Broken:
            self._seen.pop(key, None)
            if known is None or begun or (seen := await self._first_look(key)) == known:
                raise
        async for part in self._read(key, seen, start, end):
            yield part

    async def _read(self, key: Key, seen: _Seen, start: int, end: int) -> AsyncIterator[bytes]:
        if seen.head is None:
            async for part in self._inner.read(key, start, end):
                yield part
            return
        if start >= end:
            return
        own = await asyncio.to_thread(self._keys.box, tenant_of(key), key, seen.head)
        for first in range(start // box.PIECE, -(-end // box.PIECE), GROUP):
            begin = first * box.PIECE
            content = await self._group(key, seen, own, first, -(-end // box.PIECE))
            yield content[max(0, start - begin) : end - begin]

    async def size(self, key: Key) -> int | None:
        """See Objects."""
        size = await self._inner.size(key)  # another process may have deleted it
        if size is None:
            self._seen.pop(key, None)
            return None
        return (await self._look(key, size)).content

    async def delete(self, key: Key) -> None:
        """See Objects."""
        self._seen.pop(key, None)
        await self._inner.delete(key)

    def older(self, before: datetime, tenant: str | None = None) -> AsyncIterator[Found]:
        """See Objects."""
        return self._inner.older(before, tenant)

    async def tidy(self, before: datetime, tenant: str | None = None) -> int:
        """See Objects."""
        return await self._inner.tidy(before, tenant)

    async def _new_box(self, key: Key) -> tuple[Head, Box]:
        return await asyncio.to_thread(self._keys.new_box, tenant_of(key), key)

    async def _group(self, key: Key, seen: _Seen, own: Box, first: int, stop: int) -> bytes:
        """The contents of some pieces from `first` on, before `stop`."""
        step = box.PIECE + box.TAG
        until = min(HEAD + min(first + GROUP, stop) * step, seen.bytes)
        sealed = b"".join([part async for part in self._inner.read(key, HEAD + first * step, until)])
        ends = until == seen.bytes
        return await asyncio.to_thread(lambda: b"".join(own.open_part(first, sealed, ends=ends)))

    async def _first_look(self, key: Key) -> _Seen:
        size = await self._inner.size(key)
        if size is None:
            raise Broken(f"The object {key} is not in the store. It may have been deleted by hand; restore it.")
        return await self._look(key, size)

    async def _look(self, key: Key, size: int) -> _Seen:
        """The head of an object that is there. One of another size was put after another process had deleted it."""
        known = self._seen.get(key)
        if known is None or known.bytes != size:
            start = b"".join([part async for part in self._inner.read(key, 0, min(HEAD, size))])
            self._seen[key] = _Seen(Head.read(start), size)
        while len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return self._seen[key]

    async def _same(self, stored: Stored) -> None:
        """Raises Conflict unless the store holds exactly this content under this name."""
        if await self.size(stored.key) != stored.bytes or await self._digest(stored) != stored.sha256:
            raise Conflict("A file with this name and other content is kept already. Send it under another name.")

    async def _digest(self, stored: Stored) -> str:
        digest = hashlib.sha256()
        async for part in self.read(stored.key, 0, stored.bytes):
            digest.update(part)
        return digest.hexdigest()


class _Counted:
    """A body that is measured on its way."""

    def __init__(self, body: AsyncIterator[bytes], most: int) -> None:
        self._body, self._most, self._bytes, self._digest = body, most, 0, hashlib.sha256()

    async def parts(self) -> AsyncIterator[bytes]:
        """Its parts. Raises TooLarge beyond the bound."""
        async for part in self._body:
            self._bytes += len(part)
            if self._bytes > self._most:
                raise TooLarge(f"The file has more than {self._most:,} bytes. Make it smaller and send it again.")
            self._digest.update(part)
            yield part

    def stored(self, key: Key) -> Stored:
        """What has passed."""
        return Stored(key, self._bytes, self._digest.hexdigest())
