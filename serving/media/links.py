"""Addresses that open one object of this cell for a while, to whoever has them.

The signature is HMAC-SHA256 over the cell's name, the id of the signing key, the tenant, the method, the path and the
moment of expiry. Nothing in the address is secret but the signature. A link that another cell made, or that was altered
in any letter, opens nothing: only the one spelling that `sign` gives is accepted.

Signing keys change by overlap: the first of the list signs, the others still open what they signed.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Final

from serving.errors import Broken, Expired, Forbidden

__all__ = ["LinkKey", "Links", "Opened"]

LEAST_BYTES: Final = 32  # of a signing key
_ID: Final = re.compile(r"[a-z0-9-]{1,32}")
_PATH: Final = re.compile(r"/[A-Za-z0-9/._~-]*")
_QUERY: Final = re.compile(r"exp=([1-9][0-9]{0,14})&for=([A-Za-z0-9._-]{1,128})&key=([a-z0-9-]{1,32})&sig=([\w-]{43})")


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A signing key and the id under which links name it."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise Broken("The id of a signing key is 1 to 32 of a-z, 0-9 and -. Name its file so.")
        if len(self.secret) < LEAST_BYTES:
            raise Broken(f"The signing key {self.id} has fewer than {LEAST_BYTES} bytes. Draw it anew, at random.")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a good link says."""

    tenant: str
    expires: int  # seconds since 1970


class Links:
    """Makes and checks the links of one cell."""

    def __init__(self, cell: str, keys: tuple[LinkKey, ...]) -> None:
        if not keys or len({key.id for key in keys}) != len(keys):
            raise Broken("A cell needs at least one key to sign links with, each with an id of its own.")
        self._cell = cell
        self._keys = keys

    def sign(self, path: str, *, tenant: str, expires: int, method: str = "GET") -> str:
        """Path and query that open `path` until `expires`, in seconds since 1970. The origin goes before it."""
        if not _PATH.fullmatch(path):
            raise Broken("A link was to lead to a path with letters that no link has.")
        key = self._keys[0]
        signature = self._signature(key, method, path, tenant, expires)
        query = f"exp={expires}&for={tenant}&key={key.id}&sig={signature}"
        if not _QUERY.fullmatch(query):
            raise Broken("A link was to be made for a tenant or a moment that no link can name.")
        return f"{path}?{query}"

    def check(self, method: str, path: str, query: str, *, now: int) -> Opened:
        """What a link opens. Takes path and query as they came, before any decoding; HEAD counts as GET.

        Raises Forbidden for any link that this cell did not make, Expired when its time is over.
        """
        found = _QUERY.fullmatch(query) if query.isascii() else None
        if found is None:
            raise _not_ours()
        expires, tenant, key_id, given = int(found[1]), found[2], found[3], found[4]
        key = next((each for each in self._keys if each.id == key_id), None)
        if key is None:
            raise _not_ours()
        signature = self._signature(key, "GET" if method == "HEAD" else method, path, tenant, expires)
        if not hmac.compare_digest(signature, given):
            raise _not_ours()
        if now >= expires:
            raise Expired("This link's time is over. Ask for the job again to get a new one.")
        return Opened(tenant, expires)

    def _signature(self, key: LinkKey, method: str, path: str, tenant: str, expires: int) -> str:
        """43 letters. Each part says its length, so that no two lists of parts give one text."""
        parts = ("equerry/link/1", self._cell, key.id, tenant, method, path, str(expires))
        text = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return urlsafe_b64encode(hmac.digest(key.secret, text, "sha256")).decode().rstrip("=")


def _not_ours() -> Forbidden:
    return Forbidden("This link opens nothing here. Ask for the job again to get a new one.")
