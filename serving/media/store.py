"""Objects: bytes under names that never change their content. A folder, or any store that `obstore` speaks to.

What may surprise:

* Nothing is written over. Putting the same content again succeeds, since a put whose answer was lost is tried again;
  other content under a taken name is Conflict.
* A long body goes to a name of its own first and is copied in one step, so a reader sees all of it or nothing.
* In a folder a put returns when file and folder entry have been synced; other stores promise that themselves.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError
from obstore.store import LocalStore, ObjectStore, from_url

from serving.errors import Broken, Conflict, TooLarge, Unavailable
from serving.media.objects import Found, Key, Objects, Stored, key, tenant_of

__all__ = ["PIECE", "Bucket", "Key", "Objects", "Stored", "key", "open_objects", "tenant_of"]

PIECE: Final = 1 << 20  # bytes that a reader holds at once
WHOLE: Final = 8 << 20  # bytes up to which a body is written in one request
RETRY: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}  # a caller waits for the answer
PARTS: Final = "parts"  # the folder of a tenant in which long bodies grow
_DRAFT: Final = re.compile(r".+#[0-9]+")  # how obstore names what it is still writing in a folder


class Bucket:
    """The objects of one cell, as they are; `Objects` tells what each call promises."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder  # where a local store lies; None for any other

    async def put(self, key: Key, body: bytes) -> Stored:
        """Write an object; return once it is durable. Raises Conflict when the name has other content."""
        stored = Stored(key, len(body), hashlib.sha256(body).hexdigest())
        with _faults(key, writing=True):
            try:
                await obstore.put_async(self._store, key, body, mode="create", use_multipart=False)
            except AlreadyExistsError:
                await self._same(stored)
        await self._settle(key)
        return stored

    async def put_stream(self, key: Key, body: AsyncIterator[bytes], *, most: int) -> Stored:
        """Write an object as it arrives, holding a few MiB at a time. Raises TooLarge beyond `most` bytes, Conflict.

        Whatever `body` raises is raised, and nothing is kept.
        """
        head = bytearray()
        async for part in body:
            head += part
            if len(head) > most:
                raise _too_large(most)
            if len(head) > WHOLE:
                return await self._put_long(key, bytes(head), body, most)
        return await self.put(key, bytes(head))

    async def get(self, stored: Stored) -> bytes:
        """The whole object. Raises Broken when it is not what was written, or gone."""
        with _faults(stored.key):
            body = bytes(await (await obstore.get_async(self._store, stored.key)).bytes_async())
        if hashlib.sha256(body).hexdigest() != stored.sha256:
            raise Broken(f"The object {stored.key} is not what was written. Restore it, and look at the store's disks.")
        return body

    async def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start..end-1 in pieces of at most `PIECE`, each asked for when it is wanted. Broken when it is gone."""
        for begin in range(start, end, PIECE):
            with _faults(key):
                piece = bytes(await obstore.get_range_async(self._store, key, start=begin, end=min(begin + PIECE, end)))
            yield piece

    async def size(self, key: Key) -> int | None:
        """Bytes of an object, or None when there is none."""
        try:
            with _faults(key):
                return int((await obstore.head_async(self._store, key))["size"])
        except Gone:
            return None

    async def delete(self, key: Key) -> None:
        """Delete an object; return once it is gone, also when it was never there."""
        try:
            with _faults(key):
                await obstore.delete_async(self._store, key)
        except Gone:
            return
        await self._settle(key)

    async def older(self, before: datetime, tenant: str | None = None) -> AsyncIterator[Found]:
        """Objects written before a moment, of one tenant or of all: what retention looks through."""
        with _faults("the list of objects"):
            async for some in obstore.list(self._store, prefix=None if tenant is None else f"{tenant}/"):
                for each in some:
                    if each["last_modified"] < before:
                        yield Found(Key(each["path"]), each["size"], each["last_modified"])

    async def tidy(self, before: datetime, tenant: str | None = None) -> int:
        """Delete what killed writers left unfinished before a moment, of one tenant or of all; returns how many files
        or objects that were.

        Other stores drop unfinished uploads by a rule of the bucket, which `infra/` sets.
        """
        left = [each.key async for each in self.older(before, tenant) if each.key.split("/")[1:2] == [PARTS]]
        for draft in left:
            await self.delete(draft)
        if self._folder is None:
            return len(left)
        return len(left) + await asyncio.to_thread(_sweep, self._folder / (tenant or ""), before)

    async def _put_long(self, key: Key, head: bytes, rest: AsyncIterator[bytes], most: int) -> Stored:
        """Write to a name of its own, then take the right name in one step."""
        draft = Key(f"{tenant_of(key)}/{PARTS}/{secrets.token_hex(16)}")
        try:
            stored = await self._grow(draft, head, rest, most)
            with _faults(key):
                try:
                    await obstore.copy_async(self._store, draft, key, overwrite=False)
                except AlreadyExistsError:
                    await self._same(Stored(key, stored.bytes, stored.sha256))
        finally:
            with suppress(Unavailable):  # then `tidy` deletes it
                await self.delete(draft)
        await self._settle(key)
        return Stored(key, stored.bytes, stored.sha256)

    async def _grow(self, draft: Key, head: bytes, rest: AsyncIterator[bytes], most: int) -> Stored:
        digest, size = hashlib.sha256(), 0
        out = obstore.open_writer_async(self._store, draft, buffer_size=WHOLE, max_concurrency=2)
        try:
            async for part in _after(head, rest):
                size += len(part)
                if size > most:
                    raise _too_large(most)
                digest.update(part)
                with _faults(draft, writing=True):
                    await out.write(part)
        except BaseException:
            with suppress(Broken, Unavailable), _faults(draft):
                await out.close()  # an upload that nobody ends stays in a bucket, unseen; the draft is deleted
            raise
        with _faults(draft, writing=True):
            await out.close()
        return Stored(draft, size, digest.hexdigest())

    async def _same(self, stored: Stored) -> None:
        """Raises Conflict unless the store holds exactly this under this name."""
        if await self.size(stored.key) != stored.bytes or await self._digest(stored) != stored.sha256:
            raise Conflict("A file with this name and other content is kept already. Send it under another name.")

    async def _digest(self, stored: Stored) -> str:
        digest = hashlib.sha256()
        async for piece in self.read(stored.key, 0, stored.bytes):
            digest.update(piece)
        return digest.hexdigest()

    async def _settle(self, key: Key) -> None:
        if self._folder is not None:
            await asyncio.to_thread(_sync, self._folder, key)


def open_objects(url: str, options: Mapping[str, str] | None = None) -> Bucket:
    """The store at `file:///FOLDER`, `s3://BUCKET/PREFIX`, `gs://…` or `az://…`, with obstore's options for it.

    Options are obstore's own: `aws_endpoint`, `aws_region`, `aws_server_side_encryption`, `google_service_account` …;
    those of its HTTP client begin with `client_`, such as `client_allow_http`. Raises Unavailable.
    """
    given = dict(options or {})
    client: Any = {name[7:]: given.pop(name) for name in list(given) if name.startswith("client_")}
    try:
        if url.startswith("file://"):
            folder = Path(url.removeprefix("file://"))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Bucket(LocalStore(folder), folder)
        if url.startswith("s3://"):  # without these two, neither put nor copy would refuse a taken name
            given = {"aws_conditional_put": "etag", "aws_copy_if_not_exists": "multipart"} | given
        config: Any = given
        return Bucket(from_url(url, config=config or None, client_options=client or None, retry_config=RETRY))
    except (BaseError, OSError, ValueError) as fault:
        raise Unavailable(
            f"The objects' store cannot be opened ({_reason(fault)}). Check `objects` in the settings."
        ) from None


class Gone(Broken):
    """An object that should be there is not."""


@contextmanager
def _faults(key: str, *, writing: bool = False) -> Iterator[None]:
    """Turns the store's errors into ours; texts of the store stay out, since they hold requests and answers."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError:
        if writing:
            raise Unavailable("The bucket or folder of the objects is not there. Make it, or mend `objects`.") from None
        raise Gone(f"The object {key} is not in the store. It may have been deleted by hand; restore it.") from None
    except InvalidPathError:
        raise Broken(f"The object {key} has a name that the store does not take.") from None
    except (BaseError, OSError) as fault:
        raise Unavailable(f"The objects' store does not do its work now ({_reason(fault)}). Try again soon.") from fault


def _reason(fault: Exception) -> str:
    """In a few words of ours why the store failed."""
    text = str(fault)
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if any(os.strerror(code) in text for code in full):
        return "its disk is full"
    return "it refuses this cell" if "Denied" in type(fault).__name__ else f"{type(fault).__name__}"


async def _after(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for part in rest:
        yield part


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The file has more than {most:,} bytes. Make it smaller and send it again.")


def _sync(folder: Path, key: Key) -> None:
    """Put an object's file, if it is still there, and the entries of its folders on the disk."""
    path = folder / key
    for each in (path, *path.parents):
        try:
            place = os.open(each, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(place)
        finally:
            os.close(place)
        if each == folder:
            return


def _sweep(folder: Path, before: datetime) -> int:
    """Delete obstore's drafts in a folder that are older than a moment; says how many those were."""
    return sum(_drop(each, before) for each in folder.rglob("*#*") if _DRAFT.fullmatch(each.name))


def _drop(draft: Path, before: datetime) -> bool:
    try:
        if draft.stat().st_mtime >= before.timestamp():
            return False
        draft.unlink()
    except FileNotFoundError:  # its writer has ended just now
        return False
    return True
