"""What tenants' objects take, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from serving.jobs.job import TenantId
from serving.jobs.memory.tables import Tables
from serving.jobs.room import Held, no_room


class MemoryRoom:
    """The objects' part of a store; `serving.jobs.room.Room` tells what each call promises."""

    _t: Tables

    def hold_bytes(self, tenant: TenantId, name: str, size: int, most: int) -> None:
        with self._t.lock:
            there = self._t.counted.get(name)
            if self.bytes_held(tenant) + size - (there[0].bytes if there else 0) > most:
                raise no_room(most)
            self._t.counted[name] = (Held(name=name, tenant=tenant, bytes=size), self._t.clock())

    def settle_bytes(self, draft: str, name: str) -> None:
        with self._t.lock:
            held, _ = self._t.counted.pop(draft)
            own = Held(name=name, tenant=held.tenant, bytes=held.bytes)
            self._t.counted.setdefault(name, (own, self._t.clock()))

    def count_bytes(self, held: Sequence[Held]) -> None:
        with self._t.lock:
            for each in held:
                self._t.counted.setdefault(each.name, (each, self._t.clock()))

    def free_bytes(self, name: str) -> None:
        with self._t.lock:
            self._t.counted.pop(name, None)

    def bytes_held(self, tenant: TenantId) -> int:
        with self._t.lock:
            return sum(held.bytes for held, _ in self._t.counted.values() if held.tenant == tenant)

    def held_before(self, folder: str, before: int, most: int) -> Sequence[Held]:
        with self._t.lock:
            found = [(since, held.name, held) for held, since in self._t.counted.values() if since < before]
        ordered = sorted(found, key=lambda each: each[:2])
        return tuple(held for _, name, held in ordered if f"/{folder}/" in name)[:most]

    def uncounted(self, keys: Sequence[str]) -> AbstractSet[str]:
        with self._t.lock:
            return set(keys) - set(self._t.counted)

    def living(self, keys: Sequence[str]) -> AbstractSet[str]:
        with self._t.lock:
            return {key for key in keys if key in self._t.artefacts and not self._t.artefacts[key].deleted}
