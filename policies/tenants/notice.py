"""What the control log must still be told: each change leaves a notice, in the same transaction as the change.

Whoever writes the control log reads the notices in order, writes an entry for each, and drops them once the entries are
acknowledged. A notice may so be told twice after a crash, and never not at all; `id` tells the repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from policies.tenants.tenant import Instant, TenantId

__all__ = ["Notice", "NoticeKind"]


class NoticeKind(StrEnum):
    """The type of the entry in the control log."""

    CONSTRAINTS = "tenant.constraints"  # `old` and `new` are digests of ceilings
    KEY = "key.rotate"  # `old` and `new` are ids of keys: made has no old, revoked has no new


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One change. Holds ids and digests alone, no name and no secret."""

    id: str  # 32 hexadecimal digits, drawn at random
    kind: NoticeKind
    tenant: TenantId
    at: Instant
    old: str | None = None
    new: str | None = None
    number: int = 0  # the place in the order of changes; the store counts from 1

    def numbered(self, number: int) -> Notice:
        """The same notice in its place."""
        return replace(self, number=number)
