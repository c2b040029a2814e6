"""A studio in a process of its own: one engine, which pulls jobs from the store whenever it has a hand free.

Nobody sends it work. Ray starts it, asks how it is, reads from it how much work waits in the store, and ends it; then
it hands back what it has, so that another one goes on from the last chunk at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from model.engine import Engine, Stats
from serving.cluster.aside import Aside
from serving.cluster.remote import Ask, RemoteLedger
from serving.errors import Unavailable
from serving.house import House
from serving.parts import Parts, build, engine, studio
from serving.settings_file import load
from serving.studio.studio import Studio
from serving.telemetry.tower import watched_over

__all__ = ["Bench", "Pulse"]

PATIENCE: Final = 5.0  # seconds for an answer of the engine's
RULES: Final = 5.0  # seconds between two looks for new rules; who may ask is decided at the gate
STUCK: Final = 90.0  # seconds in which an engine that has films makes no step


class Pulse:
    """Whether an engine gets anywhere. It remembers the last look."""

    def __init__(self) -> None:
        self._steps, self._since, self._rested = -1, 0.0, True

    def check(self, stats: Stats, now: float) -> None:
        """Raises Unavailable for an engine that has had films and made no step for too long; `now` in seconds."""
        if stats.steps != self._steps or not stats.running or self._rested:  # who looks seldom knows no beginning
            self._steps, self._since, self._rested = stats.steps, now, not stats.running
        elif now - self._since > STUCK:
            raise Unavailable(f"The engine has made no step for {now - self._since:.0f} s. It is started again.")


class Bench:
    """One studio. Made when its engine is ready."""

    def __init__(self, file: str, ask: Ask) -> None:
        """`file` is the settings'; `ask` reaches the recorder."""
        self.settings, self._ask = load(Path(file)), ask
        self._pulse = Pulse()
        self._studio: Studio | None = None
        self._engine: Engine | None = None
        self._parts: Parts | None = None
        self._aside = Aside("studio", self._work)
        self._aside.await_ready()

    async def _work(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        parts = self._parts = await asyncio.to_thread(lambda: build(self.settings, RemoteLedger(self._ask)))
        try:
            await self._with(parts, stop, ready)
        finally:
            parts.close()

    async def _with(self, parts: Parts, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        from model.checkpoint import load as load_model

        model = await asyncio.to_thread(load_model, self.settings.engine.model)
        self._engine = engine(self.settings, model)
        try:
            await self._engine.check()
            self._studio = await asyncio.to_thread(studio, parts, model, self._engine)
            ready()
            watch, stats = parts.watch, self._engine.stats
            async with watched_over(watch, self.settings.listen, backlog=parts.store.backlog, stats=stats):
                await self._until(stop, self._studio, parts)
        finally:
            await self._engine.close()

    async def _until(self, stop: asyncio.Event, hands: Studio, parts: Parts) -> None:
        """Works until `stop`, or until the engine is beyond help; then raises what it was."""
        following = asyncio.create_task(House(parts).follow(RULES))
        stopping = asyncio.create_task(stop.wait())
        working = asyncio.create_task(hands.run())
        try:
            await asyncio.wait([stopping, working], return_when=asyncio.FIRST_COMPLETED)
            await hands.drain()
            await working
            await stop.wait()  # one that was drained stays until it is told to go
        finally:
            for task in (following, stopping):
                task.cancel()

    def drain(self) -> int:
        """Take no more jobs and hand back what is not done; says how many jobs are still in hand."""
        hands = self._studio
        if hands is None:
            return 0
        self._aside.ask(hands.drain, PATIENCE)
        return hands.busy

    def stats(self) -> dict[str, float]:
        """What the engine does, for people who look."""
        if self._engine is None or self._studio is None:
            return {}
        now = self._engine.stats()
        return {"jobs": self._studio.busy, "slots": now.slots, "busy_s": now.busy, "restarts": now.restarts}

    def check_health(self) -> None:
        """Raises when this process must be replaced: the engine is dead or stuck, or the studio has ended."""
        self._aside.check()
        if self._engine is not None:
            self._aside.ask(self._engine.check, PATIENCE)
            self._pulse.check(self._engine.stats(), monotonic())

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Work that waits or runs in the whole cell; every studio says the same. See `serving.cluster.scaling`."""
        if self._parts is None:
            return {}
        backlog = self._parts.store.backlog()
        return {"work_s": backlog.work_ms / 1000, "jobs": float(backlog.queued + backlog.running)}

    def close(self) -> bool:
        """Hands back what is not done and ends; says whether it did so in time."""
        return self._aside.stop(self.settings.jobs.drain)

    def __del__(self) -> None:
        """What Ray Serve calls when a replica is to end."""
        if hasattr(self, "_aside"):
            self.close()
