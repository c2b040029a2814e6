"""The rows of `tenants.sql` as values, over one connection that one thread uses at a time."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Any, Final

from policies.canonical import Digest, sha256
from policies.constraints import Constraints, Wish
from policies.errors import Doubt, Refused
from policies.tenants.key import Key
from policies.tenants.keytext import KeyId
from policies.tenants.notice import Notice, NoticeKind
from policies.tenants.statements import statement
from policies.tenants.store import Known
from policies.tenants.tenant import Tenant, TenantId

__all__ = ["Page"]

Row = tuple[Any, ...]  # as SQLite gives it; STRICT tables hold the types
MOST_CEILINGS: Final = 4_096
_ceilings: dict[Digest, Constraints] = {}  # parsed once; by what they are, so never stale and right for every store


class Page:
    """Reads what is committed, and within a transaction what is written."""

    def __init__(self, line: sqlite3.Connection) -> None:
        self.line = line

    def find(self, key: KeyId) -> Known | None:
        row = self._one("find", key=key)
        return None if row is None else Known(self._tenant(row[:6]), _key(row[6:]))

    def tenant(self, tenant: TenantId) -> Tenant | None:
        row = self._one("tenant", tenant=tenant)
        return None if row is None else self._tenant(row)

    def tenants(self) -> list[Tenant]:
        return [self._tenant(row) for row in self._all("tenants")]

    def keys(self, tenant: TenantId) -> list[Key]:
        return [_key(row) for row in self._all("keys", tenant=tenant)]

    def constraints(self, digest: Digest) -> bytes | None:
        row = self._one("ceiling", digest=digest)
        return None if row is None else row[0]

    def notices(self, most: int) -> list[Notice]:
        return [_notice(row) for row in self._all("notices", most=most)]

    def revision(self) -> int:
        row = self._one("revision")
        if row is None:
            raise Doubt("The store does not say which cell it belongs to. Restore it from a backup.")
        return int(row[0])

    def put_tenant(self, tenant: Tenant) -> None:
        ceiling = tenant.ceiling.digest
        self._do("put_ceiling", digest=ceiling, body=tenant.ceiling.canonical())
        self._do(
            "put_tenant",
            id=tenant.id,
            name=tenant.name,
            ceiling=ceiling,
            sla=tenant.sla,
            opened=tenant.opened,
            closed=tenant.closed,
        )
        self._do("grow")

    def put_key(self, key: Key) -> None:
        if self.tenant(key.tenant) is None:
            raise Refused(f"There is no tenant {key.tenant}, so it can have no key.")
        written = self._do(
            "put_key",
            id=key.id,
            tenant=key.tenant,
            digest=key.digest,
            label=key.label,
            wish=key.wish.canonical(),
            made=key.made,
            expires=key.expires,
            revoked=key.revoked,
            successor=key.successor,
        )
        if written == 0:
            raise Refused(f"{key.id} is another tenant's key.")
        self._do("grow")

    def put_notice(self, notice: Notice) -> None:
        self._do(
            "put_notice",
            id=notice.id,
            kind=notice.kind.value,
            tenant=notice.tenant,
            at=notice.at,
            old=notice.old,
            new=notice.new,
        )

    def drop_notices(self, up_to: int) -> None:
        self._do("drop_notices", up_to=up_to)

    def _tenant(self, row: Row) -> Tenant:
        known, name, ceiling, sla, opened, closed = row
        return Tenant(id=known, name=name, ceiling=self._ceiling(ceiling), sla=sla, opened=opened, closed=closed)

    def _ceiling(self, digest: Digest) -> Constraints:
        found = _ceilings.get(digest)
        return self._read_ceiling(digest) if found is None else found

    def _read_ceiling(self, digest: Digest) -> Constraints:
        body = self.constraints(digest)
        if body is None or sha256(body) != digest:
            raise Doubt(f"The constraints {digest} are damaged in the store. Restore it from a backup.")
        if len(_ceilings) >= MOST_CEILINGS:
            _ceilings.clear()
        return _ceilings.setdefault(digest, Constraints.parse(body))

    def _one(self, query: str, /, **values: object) -> Row | None:
        row: Row | None = self.line.execute(statement(query), values).fetchone()
        return row

    def _all(self, query: str, /, **values: object) -> list[Row]:
        return self.line.execute(statement(query), values).fetchall()

    def _do(self, query: str, /, **values: object) -> int:
        return self.line.execute(statement(query), values).rowcount


def _key(row: Row) -> Key:
    known, tenant, digest, label, wish, made, expires, revoked, successor = row
    return Key(
        id=known,
        tenant=tenant,
        digest=digest,
        label=label,
        wish=_wish(wish),
        made=made,
        expires=expires,
        revoked=revoked,
        successor=successor,
    )


@lru_cache(maxsize=4_096)
def _wish(body: bytes) -> Wish:
    return Wish.parse(body)


def _notice(row: Row) -> Notice:
    known, kind, tenant, at, old, new, number = row
    return Notice(id=known, kind=NoticeKind(kind), tenant=tenant, at=at, old=old, new=new, number=number)
