"""A whole cell in one process: the embedded default. The same parts as in a cluster, joined by function calls."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from model.checkpoint import load
from model.generate import Generator
from model.make import Maker
from policies.constraints import Constraints
from serving.dialects.app import application
from serving.dialects.forms import Bounds
from serving.errors import CellError, Unavailable
from serving.front import Front, Limits, film_of
from serving.gate import Gate
from serving.media.fetch import Fetcher
from serving.media.ingest import Ingest
from serving.media.marks import open_marker
from serving.media.prober import Prober
from serving.media.uploads import Uploads
from serving.outer import Outer, free
from serving.parts import Parts, engine, now_ms
from serving.settings import MIB
from serving.studio.studio import Habits, Studio

__all__ = ["LocalCell"]

log = logging.getLogger(__name__)

HOUR = 3_600_000  # milliseconds
FIRST_CHUNK_MS = 150.0  # what a chunk is taken to cost until one was made


class LocalCell:
    """Gateway, studio and housekeeping in one event loop. `run` until `stop` is set."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.settings = parts, parts.settings
        from model.cli import find

        self.model = load(str(find(self.settings.engine.model)))
        self.engine = engine(self.settings, self.model)
        self.studio = self._studio()
        self.front = self._front()
        self.app = self._app()
        self.failed = ""  # why the studio stopped, if it did

    def _studio(self) -> Studio:
        p, j = self.parts, self.settings.jobs
        return Studio(
            f"{self.settings.cell.name}-{secrets.token_hex(4)}",
            store=p.store,
            objects=p.objects,
            engine=self.engine,
            maker=Maker(Generator(self.model)),
            marker=open_marker(self.settings, p.ledger),
            judge=p.rulebook.judge,
            pen=p.ledger.pen,
            place=p.place,
            now=now_ms,
            images=self.settings.media.images,
            films=self.settings.media.films,
            habits=Habits(most=self.settings.engine.batch, beat_s=j.heartbeat, keep_ms=round(j.retention * HOUR)),
        )

    def _front(self) -> Front:
        p, s = self.parts, self.settings
        uploads = Uploads(p.objects, most=s.limits.upload * MIB, draw=secrets.token_bytes, now=now_ms)
        ingest = Ingest(
            p.objects,
            Fetcher(s.media.patience),
            Prober(s.media.images, s.media.films),
            uploads,
            reach=s.media.reach,
            film_of=film_of(p.store),
            draw=secrets.token_bytes,
            images=s.media.images,
            films=s.media.films,
        )
        c = self.model.config
        return Front(
            p.store,
            p.objects,
            ingest,
            uploads,
            p.links,
            origin=p.origin.url,
            jurisdiction=s.cell.jurisdiction,
            model_digest=self.model.digest,
            policy_digest=lambda: p.rulebook.tables().grounds.pol,
            chunk_ms=self._chunk_ms,
            chunks_per_second=round(1 / c.chunk_seconds),
            studios=lambda: 1,
            draw_seed=lambda: secrets.randbelow(2**31),
            limits=Limits(
                queue=s.limits.queue,
                queue_per_tenant=s.limits.queue_per_tenant,
                link_s=round(s.media.link_hours * 3600),
            ),
        )

    def _chunk_ms(self) -> float:
        """As the engine has been working so far."""
        stats = self.engine.stats()
        size = self.model.config.sizes[0]
        slots = size.width * size.height // self.model.config.video.patch**2 + self.model.config.audio_codes
        return 1000 * slots / stats.slots_per_second if stats.slots_per_second else FIRST_CHUNK_MS

    def _app(self) -> Outer:
        p = self.parts
        inner = application(
            self.front,
            p.origin,
            signer=p.signer,
            now=now_ms,
            new_id=lambda: secrets.token_hex(16),
            region=self.settings.cell.name,
            bounds=Bounds(body=self.settings.limits.body * MIB),
            links=p.links,
        )

        async def keep(demands: Constraints) -> None:
            await asyncio.to_thread(p.rulebook.keep, demands)

        gate = Gate(
            inner,  # type: ignore[arg-type]  # starlette spells ASGI's types its way
            place=p.place,
            admit=p.admit,
            tables=p.rulebook.tables,
            pen=p.ledger.pen,
            now=now_ms,
            new_id=lambda: secrets.token_hex(16),
            keep=keep,
            made=self.front.made,
            free=free,
        )
        return Outer(gate, ready=self._ready)

    async def _ready(self) -> str:
        if self.failed:
            return self.failed
        if not self.parts.rulebook.ready:
            return "the rules: see `equerry policy lint`, and the dates of catalogue and lists"
        return ""

    async def run(self, stop: asyncio.Event, told: Callable[[str], None], sockets: list[socket.socket]) -> None:
        """Serves until `stop`, then drains: jobs that are not done are handed back, and go on at the next start."""
        config = uvicorn.Config(self.app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=65)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the command line has its own
        await self.engine.check()
        tasks = [
            asyncio.create_task(server.serve(sockets=sockets), name="gateway"),
            asyncio.create_task(self._work(), name="studio"),
            asyncio.create_task(self._keep_house(), name="house"),
        ]
        told(f"The cell {self.settings.cell.name} is ready at {self.settings.cell.origin}.")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, tasks[0]], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self.studio.drain()
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks[:2], return_exceptions=True), self.settings.jobs.drain)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.engine.close()

    async def _work(self) -> None:
        try:
            await self.studio.run()
        except Unavailable as error:
            self.failed = f"the studio: {error}"
            log.error("The studio stopped.", extra={"error": type(error).__name__})

    async def _keep_house(self) -> None:
        """What has to be done from time to time. Each part may fail and is tried again."""
        turn = 0
        while True:
            for task in (self.parts.rulebook.refresh, self.parts.store.reap):
                with suppress(CellError):
                    await asyncio.to_thread(task)
            if turn % 60 == 0:
                with suppress(CellError):
                    await self._expire()
            turn += 1
            await asyncio.sleep(0.5)

    async def _expire(self) -> None:
        await asyncio.to_thread(self.parts.store.expire)
        for artefact in await asyncio.to_thread(self.parts.store.due_artefacts):
            await self.parts.objects.delete(artefact.key)  # type: ignore[arg-type]  # a key as the store keeps it
            await asyncio.to_thread(self.parts.store.gone, artefact.key)
