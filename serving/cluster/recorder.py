"""The recorder: the one process of a cell that writes the residency log. It also keeps house, since it is alone.

There is never a second one: the log's folder is locked, and the lock falls with the process. While it is away nothing
that must be written can happen, so gates refuse and studios hand their jobs back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final

from policies.errors import Malformed
from policies.log import wire
from policies.log.entry import CatalogueActivated, Changed, ListActivated, PolicyActivated
from serving.cluster.aside import Aside
from serving.errors import Unavailable
from serving.house import House
from serving.ledger import Ledger
from serving.parts import build, own_ledger
from serving.selftest import detector_of, selftest_of
from serving.settings_file import load
from serving.telemetry.opened import Watch
from serving.telemetry.scraper import Read
from serving.telemetry.tower import watched_over

__all__ = ["Recorder"]

log = logging.getLogger(__name__)

MOST_OBJECT: Final = 8 << 20  # bytes of an object that entries name
PATIENCE: Final = 20.0  # seconds to end the house


class Recorder:
    """What the other processes call; see `serving.cluster.remote`. Every method of it may be called again."""

    def __init__(
        self,
        file: str,
        node: Callable[[], str] = lambda: "",
        watch: Watch | None = None,
        numbers: str | Read | None = None,
    ) -> None:
        """`file` is the settings'; `node` names the machine, and `numbers` tells what Ray measures there. A `watch` is
        kept by whoever gives it."""
        self.settings, self._node, self._watch = load(Path(file)), node, watch
        self.ledger: Ledger = own_ledger(self.settings)
        self._active: dict[str, tuple[str, dict[str, str]]] = {}  # by kind: the document in force, and its receipt
        self._turn = asyncio.Lock()  # one change at a time
        try:
            self.parts = build(self.settings, self.ledger, watch)
            if numbers is not None:
                self.parts.watch.scraper.look_at("ray", numbers)  # here alone, or each process would count it again
            self._house, self._selftest = House(self.parts), selftest_of(self.parts, detector_of(self.settings))
        except BaseException:
            self.ledger.close()
            raise
        self._aside = Aside("house", self._keep)
        self._aside.await_ready()

    async def _keep(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Until `stop`. Raises Unavailable when one of its works has ended, so that this process is replaced."""
        stopping = asyncio.create_task(stop.wait())
        keeping = [asyncio.create_task(work) for work in (self._house.keep(), self._selftest.keep())]
        ready()
        async with self._watched():
            await asyncio.wait([stopping, *keeping], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *keeping):
            task.cancel()
        ends = await asyncio.gather(*keeping, return_exceptions=True)
        if not stop.is_set():
            for error in filter(None, ends):
                log.error("The cell is not kept any more.", extra={"error": type(error).__name__})
            raise Unavailable("Nobody keeps this cell any more. Its recorder is started again; see its log for why.")

    def _watched(self) -> AbstractAsyncContextManager[None]:
        if self._watch is not None:
            return nullcontext()
        return watched_over(self.parts.watch, self.settings.listen, backlog=self.parts.store.backlog)

    def hello(self) -> dict[str, str]:
        """Who writes, and where; and what keeps the cell from its work, by its keeper or its self-test."""
        missing = self._house.missing or self._selftest.missing
        return {"origin": self.ledger.origin, "node": self._node(), "missing": missing}

    async def write(self, data: bytes) -> dict[str, str]:
        """Returns once the entry is durable under a signed head. Raises Malformed for what is no entry."""
        entry = wire.hear(data)
        if not isinstance(entry, PolicyActivated | CatalogueActivated | ListActivated):
            return wire.receipt(await self.ledger.pen.commit(entry))
        async with self._turn:
            return await self._change(entry)

    async def _change(self, entry: Changed) -> dict[str, str]:
        """Every process takes new rules by itself and says so; the log says it once."""
        new, told = self._active.get(entry.KIND, ("", {}))
        if new != entry.new:
            told = wire.receipt(await self.ledger.pen.commit(entry))
            self._active[entry.KIND] = entry.new, told
        return told

    async def archive(self, data: bytes) -> None:
        """Returns once the object is durable."""
        if len(data) > MOST_OBJECT:
            raise Malformed(f"An object of the log has at most {MOST_OBJECT:,} bytes.")
        await asyncio.to_thread(self.ledger.archive, data)

    def check_health(self) -> None:
        """Raises when this process must be replaced."""
        self._aside.check()  # a log whose disk fails ends the process by itself

    def close(self) -> None:
        """Commits what waits and lets go of the lock."""
        self._aside.stop(PATIENCE)
        self.parts.close()

    def __del__(self) -> None:
        """What Ray Serve calls when a replica is to end."""
        if hasattr(self, "_aside"):
            self.close()
