"""What each tenant's objects take in the cell's store, counted before they are written.

This is the fifth part of `serving.jobs.store.Store`; its calls keep the same promises as the other four. The objects
themselves lie elsewhere, so a count may outlive its object for a while, after a crash; an object never goes uncounted
for longer than the sweep takes to find it (`serving.meter.retention`).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

from serving.errors import Limited
from serving.jobs.job import TenantId

__all__ = ["Held", "Room", "no_room"]

SWEPT: Final = 600  # seconds after which it is worth asking whether something has expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is counted for one object, or for one that is being written."""

    name: str  # the object's key, or a name of its own for what is being written; both begin with the tenant
    tenant: TenantId
    bytes: int


class Room(Protocol):
    """What is asked of a store for each object."""

    def hold_bytes(self, tenant: TenantId, name: str, size: int, most: int) -> None:
        """Count `size` bytes in all under a name, before they are written. Raises Limited, and leaves the count as it
        was, when the tenant would then have more than `most`; of all gateways together, that is never exceeded."""

    def settle_bytes(self, draft: str, name: str) -> None:
        """What was counted for a draft has become an object; one that was there already is counted once."""

    def count_bytes(self, held: Sequence[Held]) -> None:
        """Count objects of one tenant, whatever bound there is; what is counted already stays as it is."""

    def free_bytes(self, name: str) -> None:
        """An object is gone, or was never finished."""

    def bytes_held(self, tenant: TenantId) -> int:
        """Of all objects of a tenant, and of those that are being written."""

    def held_before(self, folder: str, before: int, most: int) -> Sequence[Held]:
        """What was counted in `TENANT/folder/` before a moment, oldest first; milliseconds since 1970."""

    def uncounted(self, keys: Sequence[str]) -> AbstractSet[str]:
        """Those of these keys for which nothing is counted."""

    def living(self, keys: Sequence[str]) -> AbstractSet[str]:
        """Those of these keys that are artefacts and not deleted."""


def no_room(most: int) -> Limited:
    """What a tenant hears whose room is full."""
    return Limited(
        f"The uploads and films of this account may take {most >> 20:,} MiB here, and there is no room for this one. "
        "Wait until some have expired, or ask the operator to raise the limit.",
        SWEPT,
        quota=True,
    )
