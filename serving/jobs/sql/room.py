"""What tenants' objects take, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from serving.jobs.job import TenantId
from serving.jobs.room import Held, no_room
from serving.jobs.sql.database import Database, Run, one


class SqlRoom:
    """The objects' part of a store; `serving.jobs.room.Room` tells what each call promises."""

    _db: Database

    def hold_bytes(self, tenant: TenantId, name: str, size: int, most: int) -> None:
        def work(run: Run) -> None:
            run("hold_bytes", own=name, tenant=tenant, size=size)  # whose trigger locks the sum until the end
            if run("bytes_held", tenant=tenant)[0]["bytes"] > most:
                raise no_room(most)  # which undoes it

        self._db.write(work)

    def settle_bytes(self, draft: str, name: str) -> None:
        self._db.write(lambda run: (run("settle_bytes", draft=draft, own=name), run("free_bytes", own=draft)))

    def count_bytes(self, held: Sequence[Held]) -> None:
        def work(run: Run) -> None:
            for each in held:
                run("count_bytes", own=each.name, tenant=each.tenant, bytes=each.bytes)

        self._db.write(work)

    def free_bytes(self, name: str) -> None:
        self._db.write(lambda run: run("free_bytes", own=name))

    def bytes_held(self, tenant: TenantId) -> int:
        row = one(self._db.read("bytes_held", tenant=tenant))
        return 0 if row is None else int(row["bytes"])

    def held_before(self, folder: str, before: int, most: int) -> Sequence[Held]:
        rows = self._db.read("held_before", shape=f"%/{folder}/%", before=before, most=most)
        return tuple(Held(**row) for row in rows)

    def uncounted(self, keys: Sequence[str]) -> AbstractSet[str]:
        return set(keys) - self._those_of("known_bytes", keys)

    def living(self, keys: Sequence[str]) -> AbstractSet[str]:
        return self._those_of("living", keys)

    def _those_of(self, name: str, keys: Sequence[str]) -> AbstractSet[str]:
        return {row["key"] for row in self._db.read(name, keys=tuple(keys))} if keys else set()
