"""Tenants' data keys: drawn here, wrapped by the cell's key, kept by the job store, and destroyed with what they seal.

The store's row is what counts. It is asked each time, so a key that was destroyed opens nothing from then on in any
process; what is remembered here only spares the call that unwraps, which may go to a machine far away, and is forgotten
after a minute.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from serving.errors import Broken, Refused
from serving.jobs.accounts import DataKey
from serving.jobs.job import TenantId
from serving.sealed.box import SALT, Box, Head

__all__ = ["CellKey", "Keyring", "Rows", "Wrap"]

LEAST_SECRET: Final = 32  # bytes of a cell key's file
NONCE: Final = 12
REMEMBERED: Final = 256  # data keys
FORGET_MS: Final = 60_000


class Wrap(Protocol):
    """The cell's own key. It may lie in a key service: then these two calls are all that it is asked."""

    def wrap(self, key: bytes, about: bytes) -> bytes:
        """The data key, closed; `about` says whose it is. Raises Unavailable."""

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """What was wrapped about the same. Raises Broken when it was not, Unavailable when nobody can say."""


class Rows(Protocol):
    """The job store, as far as data keys go; see `serving.jobs.accounts.Accounts`."""

    def data_key(self, tenant: TenantId, id: str | None = None) -> DataKey | None: ...  # noqa: A002
    def keep_data_key(self, made: DataKey) -> DataKey: ...
    def destroy_data_keys(self, tenant: TenantId) -> Sequence[str]: ...


class CellKey:
    """The cell's key as files of its own: the first one wraps, all of them unwrap, so a new one can be put before."""

    def __init__(self, secrets: Sequence[bytes], draw: Callable[[int], bytes]) -> None:
        """`secrets` are what the files hold. Raises Refused for one that is too short to be drawn at random."""
        if not secrets or min(map(len, secrets)) < LEAST_SECRET:
            raise Refused(f"A sealing key has less than {LEAST_SECRET} letters. Draw one: openssl rand -hex 32")
        derived = [HKDF(SHA256(), 32, None, b"equerry.cell-key/1").derive(secret) for secret in secrets]
        self._ciphers, self._draw = [AESGCM(key) for key in derived], draw

    def wrap(self, key: bytes, about: bytes) -> bytes:
        """See Wrap."""
        nonce = self._draw(NONCE)
        return nonce + self._ciphers[0].encrypt(nonce, key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """See Wrap."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], about)
            except (InvalidTag, ValueError):
                continue
        raise Broken("A tenant's data key cannot be unwrapped. Name the sealing key that it was wrapped with.")


@dataclass(slots=True)
class _Remembered:
    key: bytes
    until: int


class Keyring:
    """Boxes for what tenants leave. Safe to use from several threads; calls wait for the store."""

    def __init__(
        self, cell: str, rows: Rows, wrap: Wrap, *, draw: Callable[[int], bytes], clock: Callable[[], int]
    ) -> None:
        """`clock` gives milliseconds that never go back."""
        self.cell, self._rows, self._wrap, self._draw, self._clock = cell, rows, wrap, draw, clock
        self._turn = threading.Lock()  # guards all below
        self._known: OrderedDict[DataKey, _Remembered] = OrderedDict()  # oldest first

    def new_box(self, tenant: str, name: str) -> tuple[Head, Box]:
        """For an object that is to be sealed; the tenant's data key is drawn when there is none."""
        row = self._rows.data_key(TenantId(tenant)) or self._make(tenant)
        head = Head(row.id, self._draw(SALT))
        return head, Box(self._open(row), name, head)

    def box(self, tenant: str, name: str, head: Head) -> Box:
        """For an object that is sealed. Raises Broken when its key was destroyed."""
        row = self._rows.data_key(TenantId(tenant), head.id)
        if row is None:
            raise Broken(f"{name} is sealed under a key that was destroyed. What it held is gone, as was asked for.")
        return Box(self._open(row), name, head)

    def seal(self, tenant: str, name: str, content: bytes) -> bytes:
        """Something short, in one piece or a few."""
        return self.new_box(tenant, name)[1].seal_whole(content)

    def open(self, tenant: str, name: str, sealed: bytes) -> bytes:
        """What was sealed under this name; what is not sealed is given back as it is. Raises Broken."""
        head = Head.read(sealed)
        return sealed if head is None else self.box(tenant, name, head).open_whole(sealed)

    def destroy(self, tenant: str) -> Sequence[str]:
        """Destroy the tenant's keys for good; returns the ids of all that ever were."""
        ids = self._rows.destroy_data_keys(TenantId(tenant))
        with self._turn:
            self._known.clear()
        return ids

    def _make(self, tenant: str) -> DataKey:
        made = self._draw(16).hex()
        wrapped = self._wrap.wrap(self._draw(32), self._about(tenant, made))
        return self._rows.keep_data_key(DataKey(id=made, tenant=TenantId(tenant), wrapped=wrapped))

    def _about(self, tenant: str, key: str) -> bytes:
        return f"equerry.data-key/1 {self.cell} {tenant} {key}".encode()

    def _open(self, row: DataKey) -> bytes:
        now = self._clock()
        with self._turn:
            while self._known and (len(self._known) > REMEMBERED or next(iter(self._known.values())).until <= now):
                self._known.popitem(last=False)
            found = self._known.get(row)
        if found is None:
            found = _Remembered(self._wrap.unwrap(row.wrapped, self._about(row.tenant, row.id)), now + FORGET_MS)
            with self._turn:
                self._known[row] = found
        return found.key
