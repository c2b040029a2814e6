"""What a cell does from time to time, whoever asks: new rules, lost leases, notes to clients, films past their time."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress

from policies.errors import PolicyError
from serving.control import ControlLog, own_control
from serving.errors import CellError
from serving.offer import chores
from serving.parts import Parts, now_ms
from serving.telling import courier

__all__ = ["House"]

log = logging.getLogger(__name__)
TURN = 0.5  # seconds between two looks
EXPIRY = 60  # turns between two looks for what has expired


class House:
    """`keep` runs until it is cancelled. Each duty may fail and is tried again."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.chores = chores(parts.settings, parts.store, parts.objects, parts.pen, parts.books, parts.keyring)
        self.courier = courier(parts.settings, parts.store, secrets.token_bytes)
        self.control = ControlLog(parts.books.store, lambda: own_control(parts.settings, now_ms))
        self._behind = False  # the control log

    async def keep(self) -> None:
        """All duties; one process of a cell has them."""
        try:
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._turns())
                if self.courier is not None:
                    duties.create_task(self.courier.run(asyncio.Event()))
        finally:
            self.control.close()

    async def _turns(self) -> None:
        turn = 0
        while True:
            await self.refresh()
            with suppress(CellError):
                await asyncio.to_thread(self.parts.store.reap)
            await self._tell_changes()
            if turn % EXPIRY == 0:
                with suppress(CellError):
                    await self._expire()
                await self.chores.turn()
            turn += 1
            await asyncio.sleep(TURN)

    async def follow(self, seconds: float = TURN) -> None:
        """What every process does for itself: take the newest rules, every so many seconds."""
        while True:
            await self.refresh()
            await asyncio.sleep(seconds)

    async def refresh(self) -> None:
        """New tables, when a document, the tenants or the day have changed."""
        with suppress(CellError, PolicyError):
            await asyncio.to_thread(self.parts.rulebook.refresh)

    async def _tell_changes(self) -> None:
        """Changes of tenants, into the control log. What it does not take waits, and is complained of once."""
        try:
            await asyncio.to_thread(self.control.turn)
        except (CellError, PolicyError) as error:
            if not self._behind:
                log.error("Changes of tenants are not in the control log.", extra={"error": type(error).__name__})
            self._behind = True
        else:
            self._behind = False

    async def _expire(self) -> None:
        store, objects = self.parts.store, self.parts.objects
        await asyncio.to_thread(store.expire)
        for artefact in await asyncio.to_thread(store.due_artefacts):
            await objects.delete(artefact.key)  # type: ignore[arg-type]  # a key as the store keeps it
            await asyncio.to_thread(store.gone, artefact.key)
