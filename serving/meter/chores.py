"""What the meter does from time to time: settles hours into the residency log, erases, and sweeps. The house calls it.

Each part may fail and is tried again at the next turn. One process of a cell has these duties.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from policies.log.entry import SlaWindow
from policies.sla import Sla
from policies.sla_windows import HOUR_MS, Place
from serving.duties import Duties
from serving.gate import Pen
from serving.jobs.accounts import TurnedAway
from serving.jobs.job import TenantId
from serving.jobs.store import Store
from serving.media.store import Objects
from serving.meter.erasure import carry_out
from serving.meter.orphans import free_unfinished, look_through
from serving.meter.retention import sweep
from serving.sealed.keys import Keyring
from serving.sla import windows

__all__ = ["Chores", "Ways"]

BACK: Final = windows.PATIENCE_MS // HOUR_MS + 2  # hours that may still have to be settled
SETTLE_MS: Final = 300_000  # between two looks for such hours
SWEEP_MS: Final = 600_000  # between two sweeps
ORPHANS_MS: Final = HOUR_MS  # between two looks for objects that nobody knows
UNFINISHED_MS: Final = HOUR_MS  # since a draft was last written to: its writer is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How a cell keeps accounts."""

    region: str  # of the catalogue
    sla: Sla
    keep_ms: int  # how long sources and uploads are kept
    on: bool = True  # whether promises are made at all


class Chores:
    """`turn` whenever there is time. `tenants` are all that this cell has or had."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        pen: Pen,
        tenants: Callable[[], Sequence[str]],
        ways: Ways,
        keyring: Keyring | None = None,
    ) -> None:
        self.keyring = keyring
        self.store, self.objects, self.pen, self.tenants, self.ways = store, objects, pen, tenants, ways
        self._swept = self._settled = self._looked = 0  # when that was done
        self._nothing: set[tuple[TenantId, int]] = set()  # hours in which nothing was asked for

    async def turn(self, duties: Duties) -> None:
        """All that is due; one that fails does not keep the others from being done."""
        await duties.do("erase", self.erase)
        await duties.do("settle", self.settle)
        await duties.do("sweep", self._sweep)
        await duties.do("orphans", self._orphans)

    async def erase(self) -> None:
        """Carry out what was asked for."""
        for each in await asyncio.to_thread(self.store.erasures):
            if each.done is None:
                await carry_out(each, self.store, self.objects, self.pen, self.keyring)

    async def settle(self) -> None:
        """Hours that have passed and whose jobs have ended, into the store and then into the log."""
        now = await asyncio.to_thread(self.store.now)
        if not self.ways.on or now - self._settled < SETTLE_MS:
            return
        self._settled, hour = now, now // HOUR_MS
        self._nothing = {each for each in self._nothing if each[1] >= hour - BACK}
        kept = await asyncio.to_thread(self.store.windows, hour - BACK, hour)
        turned = await asyncio.to_thread(self.store.turned_away, hour - BACK, hour)
        there = {(each.tenant, each.hour) for each in kept}
        for tenant in map(TenantId, self.tenants()):
            await self._settle(tenant, now, there, [each for each in turned if each.tenant == tenant])
        for each in await asyncio.to_thread(self.store.windows, hour - BACK, hour):
            if each.logged is None:
                window = windows.read(each.line)
                entry = window.entry(Place(each.tenant, self.ways.region, each.hour))
                await self.pen.commit(SlaWindow(**entry))
                await asyncio.to_thread(self.store.window_logged, each.tenant, each.hour)

    async def _settle(
        self, tenant: TenantId, now: int, there: set[tuple[TenantId, int]], turned: Sequence[TurnedAway]
    ) -> None:
        for hour in range(now // HOUR_MS - BACK, now // HOUR_MS):
            if (tenant, hour) in there or (tenant, hour) in self._nothing:
                continue
            made = await asyncio.to_thread(self.store.made_between, tenant, hour * HOUR_MS, (hour + 1) * HOUR_MS)
            if not windows.settled(made, hour, now):
                continue
            mine = [each for each in turned if each.hour == hour]
            window = windows.window_of(made, mine, self.ways.region, self.ways.sla.bounds_ms)
            if window.count:
                await asyncio.to_thread(self.store.keep_window, tenant, hour, windows.written(window))
            else:
                self._nothing.add((tenant, hour))

    async def _sweep(self) -> None:
        now = await asyncio.to_thread(self.store.now)
        if now - self._swept < SWEEP_MS:
            return
        await sweep(self.store, self.objects, now=now, keep_ms=self.ways.keep_ms)
        await self.objects.tidy(datetime.fromtimestamp((now - UNFINISHED_MS) / 1000, UTC))
        await asyncio.to_thread(free_unfinished, self.store, now - UNFINISHED_MS)
        self._swept = now

    async def _orphans(self) -> None:
        now = await asyncio.to_thread(self.store.now)
        if now - self._looked < ORPHANS_MS:
            return
        await look_through(self.store, self.objects, now=now)
        self._looked = now
