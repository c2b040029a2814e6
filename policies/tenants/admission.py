"""From the text of a key to what its bearer may ask for. The gate calls this for every request, before it reads a body.

Everything that can be told from the text alone is told first and costs no look-up: no key at all, a slip of the hand,
a key of another cell. After that, one look-up, one digest and one comparison in constant time follow, whether the id is
known or not. Why a key does not open is told only to a bearer whose secret is right.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from policies.canonical import Digest
from policies.constraints import Constraints, Wish, narrow
from policies.errors import Refused
from policies.tenants.cell import Cell
from policies.tenants.key import State
from policies.tenants.keytext import KeyId, Mistyped, Unreadable, read_key
from policies.tenants.pepper import Pepper
from policies.tenants.store import Store
from policies.tenants.tenant import Instant, TenantId

__all__ = ["Admitted", "Reason", "Rejected", "admit"]


class Reason(StrEnum):
    """Why a key opens nothing here."""

    MALFORMED = "malformed"
    MISTYPED = "mistyped"
    WRONG_CELL = "wrong_cell"
    UNKNOWN = "unknown"  # no such key, or a wrong secret: never told apart
    EARLY = "early"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"
    CONTRADICTORY = "contradictory"


SENTENCES: Final = {
    Reason.MALFORMED: "This is not a key. A key begins with eqk_ and the name of its cell; copy it whole.",
    Reason.MISTYPED: "This key has a slip in it: its checksum differs. Copy it again from where it was kept.",
    Reason.WRONG_CELL: "This key belongs to another cell. Send the request to that cell's address.",
    Reason.UNKNOWN: "This key is not known here. Ask the operator for a new one.",
    Reason.EARLY: "The cell's clock stands before this key was made, so nothing is accepted. Tell the operator.",
    Reason.EXPIRED: "This key has expired. Use the key that replaced it, or ask the operator for a new one.",
    Reason.REVOKED: "This key was revoked. Ask the operator for a new one.",
    Reason.CLOSED: "This customer's account is closed. Ask the operator.",
    Reason.CONTRADICTORY: "What this key demands no longer fits its tenant's constraints. Ask the operator.",
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """The key opens nothing."""

    reason: Reason
    cell: Cell | None = None  # where it belongs, for a key of another cell; its jurisdiction is `cell.jurisdiction`

    @property
    def sentence(self) -> str:
        """What the bearer is told: what is wrong, and what to do next."""
        return SENTENCES[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who asks, and within which bounds."""

    tenant: TenantId
    key: KeyId
    sla: str
    wish: Wish  # the key's own
    constraints: Constraints  # the tenant's ceiling, narrowed by it
    con: Digest  # of the constraints, as the log names them

    def narrowed(self, wish: Wish) -> Constraints:
        """The bounds of one request. A wish can only narrow them. Raises Refused when the two cannot be joined."""
        return narrow(self.constraints, wish)


NOBODY: Final = TenantId("t-0000000000000000")  # stands in for the tenant of a key that is not known
NOTHING: Final = bytes(32)  # stands in for its digest, and is the digest of no key


def admit(text: str, *, store: Store, pepper: Pepper, now: Instant) -> Admitted | Rejected:
    """What this key opens now. Raises only when the store cannot be relied on, and then nobody is let in."""
    try:
        given = read_key(text)
    except Mistyped:
        return Rejected(Reason.MISTYPED)
    except Unreadable:
        return Rejected(Reason.MALFORMED)
    if given.cell != store.cell:
        return Rejected(Reason.WRONG_CELL, given.cell)
    known = store.find(given.id)
    tenant, kept = (NOBODY, NOTHING) if known is None else (known.tenant.id, known.key.digest)
    right = hmac.compare_digest(pepper.digest(tenant, text), kept)
    if known is None or not right:
        return Rejected(Reason.UNKNOWN)
    state = known.key.state(now)
    if state is not State.LIVE:
        return Rejected(Reason(state.value))
    if known.tenant.closed is not None:
        return Rejected(Reason.CLOSED)
    try:
        bounds, con = _bounds(_Pair(known.tenant.ceiling, known.key.wish))
    except Refused:
        return Rejected(Reason.CONTRADICTORY)
    return Admitted(tenant=tenant, key=given.id, sla=known.tenant.sla, wish=known.key.wish, constraints=bounds, con=con)


class _Pair:
    """A ceiling and a wish, equal only to itself in both: stores hand out one object for one content."""

    __slots__ = ("ceiling", "wish")

    def __init__(self, ceiling: Constraints, wish: Wish) -> None:
        self.ceiling = ceiling
        self.wish = wish

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pair) and self.ceiling is other.ceiling and self.wish is other.wish

    def __hash__(self) -> int:
        return hash((id(self.ceiling), id(self.wish)))


@lru_cache(maxsize=4_096)
def _bounds(pair: _Pair) -> tuple[Constraints, Digest]:
    bounds = narrow(pair.ceiling, pair.wish)
    return bounds, bounds.digest
