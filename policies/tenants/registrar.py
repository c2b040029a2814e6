"""Everything that changes a tenant or a key. Each change is one transaction, and leaves a notice for the control log.

The clock and the random numbers come in, so a change is a function of the store and its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.constraints import Constraints, Wish, narrow, widenings
from policies.errors import Refused
from policies.tenants.key import Key, State
from policies.tenants.keytext import Draw, KeyId, KeyText, mint
from policies.tenants.notice import Notice, NoticeKind
from policies.tenants.pepper import Pepper
from policies.tenants.store import Known, Pen, Reader, Store
from policies.tenants.tenant import Instant, Tenant, TenantId, new_tenant_id, tenant_name

__all__ = ["Minted", "Registrar"]


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key. Its text is here and nowhere else, so whoever holds this must hand it over once."""

    key: Key
    text: KeyText


@dataclass(frozen=True, slots=True)
class Registrar:
    """Keeps one cell's books for its operator."""

    store: Store
    pepper: Pepper
    draw: Draw

    def add_tenant(self, name: str, ceiling: Constraints, sla: str, now: Instant) -> Tenant:
        """A new tenant, which has no key yet."""
        tenant = Tenant(id=new_tenant_id(self.draw), name=tenant_name(name), ceiling=ceiling, sla=sla, opened=now)
        with self.store.writing() as pen:
            pen.put_tenant(tenant)
            self._tell_ceiling(pen, tenant.id, None, ceiling, now)
        return tenant

    def constrain(self, tenant: TenantId, ceiling: Constraints, now: Instant) -> Tenant:
        """Give a tenant another ceiling. The operator may lift it; keys and requests may not."""
        with self.store.writing() as pen:
            old = open_tenant(pen, tenant)
            new = replace(old, ceiling=ceiling)
            if new != old:
                pen.put_tenant(new)
                self._tell_ceiling(pen, tenant, old.ceiling, ceiling, now)
        return new

    def serve(self, tenant: TenantId, sla: str) -> Tenant:
        """Give a tenant another class of service."""
        with self.store.writing() as pen:
            new = replace(open_tenant(pen, tenant), sla=sla)
            pen.put_tenant(new)
        return new

    def close(self, tenant: TenantId, now: Instant) -> Tenant:
        """End a tenant for good. Its ceiling becomes one that allows nothing, so that no table can let it in either."""
        with self.store.writing() as pen:
            old = open_tenant(pen, tenant)
            nothing = Wish(allowed_jurisdictions=frozenset(), allowed_classes=frozenset(), allowed_purposes=frozenset())
            new = replace(old, ceiling=narrow(old.ceiling, nothing), closed=now)
            pen.put_tenant(new)
            self._tell_ceiling(pen, tenant, old.ceiling, new.ceiling, now)
        return new

    def add_key(self, tenant: TenantId, label: str, wish: Wish, now: Instant, expires: Instant | None = None) -> Minted:
        """A new key for a tenant. Refuses a wish for more than the ceiling allows, while a person can mend it."""
        if expires is not None and expires <= now:
            raise Refused("This key would expire before it was made. Name a later end.")
        with self.store.writing() as pen:
            owner = open_tenant(pen, tenant)
            check_wish(owner.ceiling, wish)
            made = self._mint(owner.id, label, wish, now, expires)
            pen.put_key(made.key)
            self._tell_key(pen, tenant, None, made.key.id, now)
        return made

    def rotate(self, key: KeyId, overlap: int, now: Instant) -> Minted:
        """Replace a key by one that may do the same. The old one stays good for `overlap` milliseconds at most.

        The new key lives as long from now as the old one was meant to live from when it was made.
        """
        if overlap < 0:
            raise Refused("The overlap cannot be negative. With 0 the old key ends at once.")
        with self.store.writing() as pen:
            old = live_key(pen, key, now)
            expires = None if old.key.expires is None else Instant(now + old.key.expires - old.key.made)
            made = self._mint(old.tenant.id, old.key.label, old.key.wish, now, expires)
            pen.put_key(made.key)
            end = now + overlap if old.key.expires is None else min(old.key.expires, now + overlap)
            pen.put_key(replace(old.key, expires=Instant(end), successor=made.key.id))
            self._tell_key(pen, old.tenant.id, key, made.key.id, now)
        return made

    def revoke(self, key: KeyId, now: Instant) -> Key:
        """End a key now, in every process. To revoke it again changes nothing."""
        with self.store.writing() as pen:
            old = known_key(pen, key)
            new = old.key if old.key.revoked is not None else replace(old.key, revoked=now)
            if new != old.key:
                pen.put_key(new)
                self._tell_key(pen, old.tenant.id, key, None, now)
        return new

    def _mint(self, tenant: TenantId, label: str, wish: Wish, now: Instant, expires: Instant | None) -> Minted:
        text = mint(self.store.cell, self.draw)
        digest = self.pepper.digest(tenant, text.text)
        key = Key(id=text.id, tenant=tenant, digest=digest, label=label, wish=wish, made=now, expires=expires)
        return Minted(key, text)

    def _tell_ceiling(
        self, pen: Pen, tenant: TenantId, old: Constraints | None, new: Constraints, now: Instant
    ) -> None:
        before = None if old is None else old.digest
        pen.put_notice(self._notice(NoticeKind.CONSTRAINTS, tenant, before, new.digest, now))

    def _tell_key(self, pen: Pen, tenant: TenantId, old: KeyId | None, new: KeyId | None, now: Instant) -> None:
        pen.put_notice(self._notice(NoticeKind.KEY, tenant, old, new, now))

    def _notice(self, kind: NoticeKind, tenant: TenantId, old: str | None, new: str | None, now: Instant) -> Notice:
        return Notice(id=self.draw(16).hex(), kind=kind, tenant=tenant, at=now, old=old, new=new)


def open_tenant(reader: Reader, tenant: TenantId) -> Tenant:
    """A tenant that is there and not closed. Raises Refused."""
    found = reader.tenant(tenant)
    if found is None:
        raise Refused(f"There is no tenant {tenant} in this cell; `equerry tenant list` shows those there are.")
    if found.closed is not None:
        raise Refused(f"Tenant {tenant} is closed, and stays so. Add a new one.")
    return found


def known_key(reader: Reader, key: KeyId) -> Known:
    """A key that is there, in any state. Raises Refused."""
    found = reader.find(key)
    if found is None:
        raise Refused(f"There is no key {key} in this cell; `equerry tenant key list` shows those there are.")
    return found


def live_key(reader: Reader, key: KeyId, now: Instant) -> Known:
    """A key that opens something now and was not replaced. Raises Refused with what is wrong instead."""
    found = known_key(reader, key)
    open_tenant(reader, found.tenant.id)
    if found.key.successor is not None:
        raise Refused(f"{key} was already replaced by {found.key.successor}. Rotate that one.")
    state = found.key.state(now)
    if state is not State.LIVE:
        raise Refused(f"{key} is {state}, so there is nothing to rotate. Add a new key.")
    return found


def check_wish(ceiling: Constraints, wish: Wish) -> None:
    """Raises Refused when the wish names more than the ceiling allows, or cannot be joined to it."""
    more = widenings(ceiling, wish)
    if more:
        raise Refused(f"A key can only narrow its tenant's constraints, and these go beyond: {', '.join(more)}.")
    narrow(ceiling, wish)
