"""What every store of objects promises, and how objects are named.

A name begins with its tenant, and `key` is the only maker of names, so a lookup cannot leave a tenant.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Protocol

from serving.errors import Broken

__all__ = ["Found", "Key", "Objects", "Stored", "key", "tenant_of"]

Key = NewType("Key", str)  # TENANT/NAME…; made by `key` alone

MOST_LETTERS: Final = 512  # of a key
_NAME: Final = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is there, as whoever wrote it noted it."""

    key: Key
    bytes: int
    sha256: str  # 64 hexadecimal digits


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the store lists it."""

    key: Key
    bytes: int  # that it takes in the store
    written: datetime


def key(tenant: str, *names: str) -> Key:
    """The name of an object. Raises Broken for a part with other letters than A-Z, a-z, 0-9, `.`, `_` and `-`."""
    whole = "/".join((tenant, *names))
    if not names or len(whole) > MOST_LETTERS or not all(_NAME.fullmatch(each) for each in (tenant, *names)):
        raise Broken("An object was to have a name that none can have; see the caller of serving.media.objects.key.")
    return Key(whole)


def tenant_of(key: Key) -> str:
    """Whose object it is."""
    return key.partition("/")[0]


class Objects(Protocol):
    """The objects of one cell. Raises Unavailable when the store cannot be reached or takes no more."""

    async def put(self, key: Key, body: bytes) -> Stored:
        """Write an object; return once it is durable. Raises Conflict when the name has other content."""

    async def put_stream(self, key: Key, body: AsyncIterator[bytes], *, most: int) -> Stored:
        """Write an object as it arrives, holding a few MiB at a time. Raises TooLarge beyond `most` bytes, Conflict.

        Whatever `body` raises is raised, and nothing is kept.
        """

    async def get(self, stored: Stored) -> bytes:
        """The whole object. Raises Broken when it is not what was written, or gone."""

    def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start..end-1 in pieces of at most `PIECE`, each asked for when it is wanted. Broken when it is gone."""

    async def size(self, key: Key) -> int | None:
        """Bytes of an object, or None when there is none."""

    async def delete(self, key: Key) -> None:
        """Delete an object; return once it is gone, also when it was never there."""

    def older(self, before: datetime, tenant: str | None = None) -> AsyncIterator[Found]:
        """Objects written before a moment, of one tenant or of all: what retention looks through."""

    async def tidy(self, before: datetime, tenant: str | None = None) -> int:
        """Delete what killed writers left unfinished before a moment, of one tenant or of all; returns how many files
        or objects that were.

        Other stores drop unfinished uploads by a rule of the bucket, which `infra/` sets.
        """
