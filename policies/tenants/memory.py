"""The store's twin in memory, for tests and trials: the same promises, save that it ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from policies.canonical import Digest
from policies.errors import Refused
from policies.tenants.cell import Cell
from policies.tenants.key import Key
from policies.tenants.keytext import KeyId
from policies.tenants.notice import Notice
from policies.tenants.store import Known
from policies.tenants.tenant import Tenant, TenantId

__all__ = ["MemoryStore"]


class _Page:
    """What is written at one moment. The one in the store is never changed, only exchanged for a later one."""

    def __init__(self) -> None:
        self._tenants: dict[TenantId, Tenant] = {}
        self._keys: dict[KeyId, Key] = {}
        self._ceilings: dict[Digest, bytes] = {}
        self._notices: dict[int, Notice] = {}
        self._revision = 0
        self._last_notice = 0

    def copy(self) -> _Page:
        page = copy(self)
        for name in ("_tenants", "_keys", "_ceilings", "_notices"):
            setattr(page, name, dict(getattr(self, name)))
        return page

    def find(self, key: KeyId) -> Known | None:
        found = self._keys.get(key)
        return None if found is None else Known(self._tenants[found.tenant], found)

    def tenant(self, tenant: TenantId) -> Tenant | None:
        return self._tenants.get(tenant)

    def tenants(self) -> list[Tenant]:
        return sorted(self._tenants.values(), key=lambda tenant: (tenant.opened, tenant.id))

    def keys(self, tenant: TenantId) -> list[Key]:
        return sorted((key for key in self._keys.values() if key.tenant == tenant), key=lambda key: (key.made, key.id))

    def constraints(self, digest: Digest) -> bytes | None:
        return self._ceilings.get(digest)

    def notices(self, most: int) -> list[Notice]:
        return list(self._notices.values())[:most]

    def revision(self) -> int:
        return self._revision

    def put_tenant(self, tenant: Tenant) -> None:
        self._tenants[tenant.id] = tenant
        self._ceilings[tenant.ceiling.digest] = tenant.ceiling.canonical()
        self._revision += 1

    def put_key(self, key: Key) -> None:
        if key.tenant not in self._tenants:
            raise Refused(f"There is no tenant {key.tenant}, so it can have no key.")
        if key.id in self._keys and self._keys[key.id].tenant != key.tenant:
            raise Refused(f"{key.id} is another tenant's key.")
        self._keys[key.id] = key
        self._revision += 1

    def put_notice(self, notice: Notice) -> None:
        self._last_notice += 1
        self._notices[self._last_notice] = notice.numbered(self._last_notice)

    def drop_notices(self, up_to: int) -> None:
        self._notices = {number: notice for number, notice in self._notices.items() if number > up_to}


class MemoryStore:
    """A cell's tenants and keys, as long as the process lasts."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._page = _Page()
        self._writer = threading.Lock()  # held by whoever writes; readers need none, since a page never changes

    @property
    def cell(self) -> Cell:
        return self._cell

    def find(self, key: KeyId) -> Known | None:
        return self._page.find(key)

    def tenant(self, tenant: TenantId) -> Tenant | None:
        return self._page.tenant(tenant)

    def tenants(self) -> list[Tenant]:
        return self._page.tenants()

    def keys(self, tenant: TenantId) -> list[Key]:
        return self._page.keys(tenant)

    def constraints(self, digest: Digest) -> bytes | None:
        return self._page.constraints(digest)

    def notices(self, most: int) -> list[Notice]:
        return self._page.notices(most)

    def revision(self) -> int:
        return self._page.revision()

    @contextmanager
    def writing(self) -> Iterator[_Page]:
        with self._writer:
            page = self._page.copy()
            yield page
            self._page = page

    def close(self) -> None:
        """There is nothing to let go of."""
