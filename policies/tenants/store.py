"""Where a cell's tenants and keys lie. One real store (`sqlite.py`) and one in memory, which pass the same tests."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from policies.canonical import Digest
from policies.tenants.cell import Cell
from policies.tenants.key import Key
from policies.tenants.keytext import KeyId
from policies.tenants.notice import Notice
from policies.tenants.tenant import Tenant, TenantId

__all__ = ["Known", "Pen", "Reader", "Store"]


class Known(NamedTuple):
    """A key and the tenant it speaks for."""

    tenant: Tenant
    key: Key


class Reader(Protocol):
    """Reads see everything that any process had committed before they began: there is no cache that could be stale."""

    def find(self, key: KeyId) -> Known | None:
        """The key with this id, revoked and expired ones too."""

    def tenant(self, tenant: TenantId) -> Tenant | None:
        """The tenant with this id, closed ones too."""

    def tenants(self) -> list[Tenant]:
        """All tenants, closed ones too, in the order in which they were opened."""

    def keys(self, tenant: TenantId) -> list[Key]:
        """All keys of one tenant, in the order in which they were made."""

    def constraints(self, digest: Digest) -> bytes | None:
        """The canonical bytes of a ceiling that a tenant has or ever had; a replay of old decisions needs them."""

    def notices(self, most: int) -> list[Notice]:
        """The oldest notices that were not dropped yet, in order."""

    def revision(self) -> int:
        """Grows with every change to tenants or keys; whoever has built tables from them compares it."""


class Pen(Reader, Protocol):
    """Writes within one transaction. Its reads see its own writes."""

    def put_tenant(self, tenant: Tenant) -> None:
        """Add a tenant, or replace the one with this id."""

    def put_key(self, key: Key) -> None:
        """Add a key, or replace this tenant's key with this id. Raises Refused when the tenant is not there."""

    def put_notice(self, notice: Notice) -> None:
        """Add a notice behind all others."""

    def drop_notices(self, up_to: int) -> None:
        """Forget the notices with this number and below: the control log has acknowledged them."""


class Store(Reader, Protocol):
    """One cell's tenants and keys."""

    @property
    def cell(self) -> Cell:
        """The cell whose keys these are."""

    def writing(self) -> AbstractContextManager[Pen]:
        """One transaction: durable as a whole when the block ends, undone as a whole when it raises.

        Writers of all processes go one after the other, so what the pen reads stays true until the block ends.
        """

    def close(self) -> None:
        """Let go of files. Nothing is lost without it."""
