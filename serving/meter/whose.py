"""Whose account is meant: a tenant or a key that a person has typed, found in the cell's books.

A slip of the hand would otherwise be an empty bill, or a limit that binds nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from policies.tenants.folder import open_books
from policies.tenants.keytext import KeyId, Unreadable, key_id
from policies.tenants.registrar import Registrar, known_key
from policies.tenants.tenant import Tenant, tenant_id
from serving.errors import Refused
from serving.settings import CellSettings

__all__ = ["known"]


def known(settings: CellSettings, tenant: str, key: str = "") -> Tenant:
    """The tenant, closed or not. Raises Refused when the cell does not know it, or the key is none of its keys."""
    with _books(settings) as books:
        found = books.store.tenant(tenant_id(tenant))
        if found is None:
            raise Refused(f"There is no tenant {tenant} in this cell; `equerry tenant list` shows those there are.")
        if key and known_key(books.store, _key_id(key)).tenant.id != found.id:
            raise Refused(f"{key} is another tenant's key; `equerry tenant key list {tenant}` shows those of {tenant}.")
    return found


def _key_id(text: str) -> KeyId:
    try:
        return key_id(text)
    except Unreadable as wrong:
        raise Refused(str(wrong)) from None


@contextmanager
def _books(settings: CellSettings) -> Iterator[Registrar]:
    books = open_books(settings.policies.tenants.parent, secrets.token_bytes)
    try:
        yield books
    finally:
        books.store.close()
