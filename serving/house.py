"""What a cell does from time to time, whoever asks: new rules, lost leases, notes to clients, ends that the log has not
heard of, films past their time, and its log's heads to witnesses."""

from __future__ import annotations

import asyncio
import secrets

from serving.control import ControlLog, own_control
from serving.duties import Duties
from serving.ends import tell_ends
from serving.jobs.webhooks import Courier
from serving.ledger import Ledger
from serving.loose import LooseEnds
from serving.offer import chores
from serving.parts import Parts, now_ms
from serving.telling import courier
from serving.vouchers import Vouchers, vouchers

__all__ = ["House"]

TURN = 0.5  # seconds between two looks
NOTES = 1.0  # seconds between two rounds of notes to clients
EXPIRY = 60  # turns between two looks for what has ended or expired


class House:
    """`keep` runs until it is cancelled. Each duty may fail, whatever with, and is tried again."""

    def __init__(self, parts: Parts, duties: Duties | None = None) -> None:
        """`duties` keep count of what fails; their own clock where none are given."""
        self.parts = parts
        self.duties = duties or Duties(parts.watch.eyes)
        self.chores = chores(parts.settings, parts.store, parts.objects, parts.pen, parts.books, parts.keyring)
        self.courier = courier(parts.settings, parts.store, secrets.token_bytes)
        self.vouchers = vouchers(parts.settings, parts.ledger, parts.watch.eyes)
        self.loose = _loose(parts)
        self.control = ControlLog(parts.books.store, lambda: own_control(parts.settings, now_ms))

    @property
    def missing(self) -> str:
        """What keeps the cell from its work: a duty that has failed for long. Else empty."""
        return self.duties.missing

    async def keep(self) -> None:
        """All duties; one process of a cell has them."""
        try:
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._turns())
                duties.create_task(self._upkeep())
                if self.courier is not None:
                    duties.create_task(self._notes(self.courier))
                if self.vouchers is not None:
                    duties.create_task(self._heads(self.vouchers))
        finally:
            self.control.close()

    async def _turns(self) -> None:
        """What others wait for."""
        while True:
            await self.refresh()
            await self.duties.do("leases", lambda: asyncio.to_thread(self.parts.store.reap))
            await self.duties.do("control", lambda: asyncio.to_thread(self.control.turn))
            await asyncio.sleep(TURN)

    async def _upkeep(self) -> None:
        """What may take its time: ten thousand objects are not deleted in a turn, and lost leases do not wait."""
        while True:
            await self.duties.do("ends", self._ends)
            await self.duties.do("expiry", self._expire)
            await self.chores.turn(self.duties)
            await asyncio.sleep(EXPIRY * TURN)

    async def _ends(self) -> None:
        await tell_ends(self.parts.store, self.parts.pen, self.parts.place)
        if self.loose is not None:
            await self.loose.round()

    async def _notes(self, courier: Courier) -> None:
        while True:
            await self.duties.do("webhooks", courier.round)
            await asyncio.sleep(NOTES)

    async def _heads(self, vouchers: Vouchers) -> None:
        """On the beat of a clock, however long a round takes; and a last time, for what was written meanwhile."""
        pace, clock = self.parts.settings.log.witness_seconds, asyncio.get_running_loop().time
        due = clock()
        try:
            while True:
                await self.duties.do("witnesses", vouchers.round)
                due = max(due + pace, clock())
                await asyncio.sleep(due - clock())
        finally:
            await self.duties.do("witnesses", vouchers.round)

    async def follow(self, seconds: float = TURN) -> None:
        """What every process does for itself: take the newest rules, every so many seconds."""
        while True:
            await self.refresh()
            await asyncio.sleep(seconds)

    async def refresh(self) -> None:
        """New tables, when a document, the tenants or the day have changed."""
        await self.duties.do("rules", lambda: asyncio.to_thread(self.parts.rulebook.refresh))

    async def _expire(self) -> None:
        store, objects = self.parts.store, self.parts.objects
        await asyncio.to_thread(store.expire)
        while due := await asyncio.to_thread(store.due_artefacts):  # all of them, or a busy cell would fall behind
            for artefact in due:
                await objects.delete(artefact.key)  # type: ignore[arg-type]  # a key as the store keeps it
                await asyncio.to_thread(store.gone, artefact.key)


def _loose(parts: Parts) -> LooseEnds | None:
    """Where the log is not written, nobody reads on in it."""
    ledger = parts.ledger
    if not isinstance(ledger, Ledger):
        return None
    log = ledger.pen.log
    return LooseEnds(ledger.folder, lambda: log.head.checkpoint.size, parts.store, parts.pen, parts.place, now_ms)
