"""A whole cell in one process: the embedded default. The same parts as in a cluster, joined by function calls."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from model.checkpoint import load
from serving.cluster.bench import STUCK, Pulse
from serving.errors import CellError
from serving.gateway import FIRST_CHUNK_MS, Facts, Gateway
from serving.house import House
from serving.parts import Parts, engine, studio
from serving.selftest import selftest_of
from serving.telemetry.operations import bound
from serving.telemetry.tower import keep_watch
from serving.wire import server_of

__all__ = ["LocalCell"]

log = logging.getLogger(__name__)


class LocalCell:
    """Gateway, studio and housekeeping in one event loop. `run` until `stop` is set."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.settings = parts, parts.settings
        from model.cli import find

        self.model = load(str(find(self.settings.engine.model)))
        self.engine = engine(self.settings, self.model)
        self.studio = studio(parts, self.model, self.engine)
        known = Facts(self.model.config, self.model.digest)
        self.gateway = Gateway(parts, known, chunk_ms=self._chunk_ms, studios=lambda: 1, missing=self._missing)
        self.front, self.app = self.gateway.front, self.gateway.app
        self.house = House(parts)
        self.selftest = selftest_of(parts, self.gateway.detector)
        self.pulse = Pulse()
        self.failed = ""  # which of its works has stopped, if one has, and why

    def _chunk_ms(self) -> float:
        """As the engine has been working so far."""
        stats = self.engine.stats()
        size = self.model.config.sizes[0]
        slots = size.width * size.height // self.model.config.video.patch**2 + self.model.config.audio_codes
        return 1000 * slots / stats.slots_per_second if stats.slots_per_second else FIRST_CHUNK_MS

    async def _missing(self) -> str:
        return self.failed or self._stuck() or self.house.missing or self.selftest.missing

    def _stuck(self) -> str:
        """An engine whose core is held up draws nothing, and its jobs stay in hand: leases are renewed all the same."""
        try:
            self.pulse.check(self.engine.stats(), monotonic())
        except CellError:
            return f"the engine: no step for {STUCK:g} s, while films wait for it; if it stays so, restart the cell"
        return ""

    async def run(self, stop: asyncio.Event, told: Callable[[str], None], sockets: list[socket.socket]) -> None:
        """Serves until `stop`, then drains: jobs that are not done are handed back, and go on at the next start."""
        server = server_of(self.app)
        operations = bound(self.settings.listen.operations_host, self.settings.listen.operations_port)
        await self.engine.check()
        tasks = [
            asyncio.create_task(server.serve(sockets=sockets), name="gateway"),
            asyncio.create_task(self._lasting("studio", self.studio.run()), name="studio"),
            asyncio.create_task(self._lasting("housekeeping", self.house.keep()), name="house"),
            asyncio.create_task(self._be_watched(operations), name="watch"),
            asyncio.create_task(self._lasting("self-test", self.selftest.keep()), name="selftest"),
        ]
        told(f"The cell {self.settings.cell.name} is ready at {self.settings.cell.origin}.")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, tasks[0]], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self.studio.drain()
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks[:2], return_exceptions=True), self.settings.jobs.drain)
        for task in tasks[2:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.engine.close()
        await self.gateway.prober.aclose()
        await self.gateway.detector.prober.aclose()

    async def _be_watched(self, operations: socket.socket) -> None:
        parts, ready = self.parts, self.gateway.ready
        await keep_watch(parts.watch, operations, backlog=parts.store.backlog, ready=ready, stats=self.engine.stats)

    async def _lasting(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """A work that lasts as long as the cell; when it ends by itself, the cell is not ready, and says why."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it was, readiness has to know
            why = str(error) if isinstance(error, CellError) else type(error).__name__
            self.failed = self.failed or f"the {what}: {why}"
            log.error("A part of the cell stopped.", extra={"error": type(error).__name__})
