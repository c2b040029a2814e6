"""The gateway of a cell over its parts: desk, dialects, gate and probes, as one ASGI application.

It needs to know of the model only what it is, not its weights, so a gateway may live where no engine does.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from model.checkpoint import config_from, place, verify
from model.config import ModelConfig
from policies.constraints import Constraints
from policies.tenants.tenant import TenantId
from serving.dialects.app import application
from serving.dialects.forms import Bounds
from serving.farewell import Farewell
from serving.front import Front, Limits, film_of
from serving.gate import Gate
from serving.media.fetch import Fetcher
from serving.media.ingest import Ingest
from serving.media.prober import Prober
from serving.media.uploads import Uploads
from serving.offer import admission
from serving.outer import Outer, free
from serving.parts import Parts, now_ms
from serving.selftest import detector_of
from serving.settings import MIB
from serving.sla.refusals import Refusals
from serving.telemetry.door import Door, Watched, current_request
from serving.telling import vet

__all__ = ["FIRST_CHUNK_MS", "Facts", "Gateway", "facts"]

FIRST_CHUNK_MS = 150.0  # what a chunk is taken to cost until one was made


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model is, without its weights."""

    config: ModelConfig
    digest: str


def facts(name: str) -> Facts:
    """Of a shipped name or a folder. Raises BadWeights for files that are not as promised."""
    folder = place(name)
    digest = verify(folder)
    return Facts(config_from((folder / "config.json").read_bytes()), digest)


class Gateway:
    """`app` is what a server runs. Use it in one event loop."""

    def __init__(
        self,
        parts: Parts,
        model: Facts,
        *,
        chunk_ms: Callable[[], float],
        studios: Callable[[], int],
        missing: Callable[[], Awaitable[str]],
    ) -> None:
        """`chunk_ms` is how long a chunk takes an engine just now, `studios` how many jobs are worked on at once;
        `missing` says what keeps the cell from its work, or ""."""
        self.parts, self.model, self._missing = parts, model, missing
        self._chunk_ms, self._studios = chunk_ms, studios
        self.prober = Prober(parts.settings.media.images, parts.settings.media.films)
        self.detector = detector_of(parts.settings)  # with processes of its own, which hold up nobody's submits
        self.front = self._front()
        self.app = self._outer()

    def _front(self) -> Front:
        p, s, c = self.parts, self.parts.settings, self.model.config
        uploads = Uploads(p.objects, most=s.limits.upload * MIB, draw=secrets.token_bytes, now=now_ms)
        return Front(
            p.store,
            p.objects,
            self._ingest(uploads),
            uploads,
            p.links,
            origin=p.origin.url,
            jurisdiction=s.cell.jurisdiction,
            model_digest=self.model.digest,
            policy_digest=lambda: p.rulebook.tables().grounds.pol,
            chunk_ms=self._chunk_ms,
            chunks_per_second=round(1 / c.chunk_seconds),
            studios=self._studios,
            draw_seed=lambda: secrets.randbelow(2**31),
            limits=Limits(
                queue=s.limits.queue,
                queue_per_tenant=s.limits.queue_per_tenant,
                link_s=round(s.media.link_hours * 3600),
                stored=s.limits.stored * MIB,
            ),
            eyes=p.watch.eyes,
            vet=vet(s),
            admission=admission(s, p.store, c, hands=lambda: self._studios() * s.engine.batch),
        )

    def _ingest(self, uploads: Uploads) -> Ingest:
        p, media = self.parts, self.parts.settings.media
        return Ingest(
            p.objects,
            Fetcher(media.patience),
            self.prober,
            uploads,
            reach=media.reach,
            film_of=film_of(p.store),
            draw=secrets.token_bytes,
            images=media.images,
            films=media.films,
            at_once=media.at_once,
        )

    def _outer(self) -> Farewell:
        p, s = self.parts, self.parts.settings
        inner = application(
            self.front,
            p.origin,
            signer=p.signer,
            now=now_ms,
            new_id=lambda: secrets.token_hex(16),
            region=s.cell.name,
            bounds=Bounds(body=s.limits.body * MIB, kept=s.limits.stored * MIB),
            links=p.links,
            detector=self.detector,
            flight=s.limits.bodies * MIB,
            still=self._still,
        )

        async def keep(digest: str, demands: Constraints) -> None:
            if not p.rulebook.keeps(digest):
                await asyncio.to_thread(p.rulebook.keep, demands)

        gate = Gate(
            Watched(inner, p.watch.eyes, "dialect"),  # type: ignore[arg-type]  # starlette spells ASGI's types its way
            place=p.place,
            admit=p.admit,
            tables=p.rulebook.tables,
            pen=p.pen,
            now=now_ms,
            new_id=lambda: current_request() or secrets.token_hex(16),
            keep=keep,
            made=self.front.made,
            free=free,
            eyes=p.watch.eyes,
            missed=Refusals(p.store).count,
            fruitless=s.limits.fruitless,
        )
        door = Door(gate, p.watch.eyes, new_id=lambda: secrets.token_hex(16), reads=s.telemetry.sample_reads)
        return Farewell(Outer(door, ready=self.ready))

    def _still(self, tenant: str) -> bool:
        found = self.parts.books.store.tenant(TenantId(tenant))
        return found is not None and found.closed is None

    async def ready(self) -> str:
        if missing := await self._missing():
            return missing
        if not self.parts.rulebook.ready:
            return "the rules: see `equerry policy lint`, and the dates of catalogue and lists"
        return ""
