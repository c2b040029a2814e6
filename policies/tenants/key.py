"""What the cell keeps of a key: everything but the key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from policies.constraints import Wish
from policies.errors import Malformed
from policies.tenants.keytext import KeyId
from policies.tenants.tenant import Instant, TenantId

__all__ = ["SKEW_MS", "Key", "State", "key_label"]

SKEW_MS: Final = 300_000  # clocks of a cell's machines may differ by so much; five minutes


class State(StrEnum):
    """Whether a key opens anything at an instant."""

    LIVE = "live"
    EARLY = "early"  # the clock stands before the key was made, so it cannot be right, nor can any expiry be judged
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one tenant."""

    id: KeyId
    tenant: TenantId
    digest: bytes = field(repr=False)  # HMAC-SHA256 under the cell's pepper
    label: str  # tells a tenant's keys apart: `render-farm`
    wish: Wish  # narrows the tenant's ceiling
    made: Instant
    expires: Instant | None = None  # the first instant at which it is refused
    revoked: Instant | None = None
    successor: KeyId | None = None  # the key that replaces it

    def state(self, now: Instant) -> State:
        """A revoked key stays revoked when the clock is set back: what counts is that it was, not when."""
        if self.revoked is not None:
            return State.REVOKED
        if now < self.made - SKEW_MS:
            return State.EARLY
        if self.expires is not None and now >= self.expires:
            return State.EXPIRED
        return State.LIVE


def key_label(text: str) -> str:
    """A label of a key, checked. Raises Malformed."""
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", text):
        raise Malformed("A key's label is 1 to 32 of a-z, 0-9 and -, such as render-farm; no names of people.")
    return text
