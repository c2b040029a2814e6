"""A cell on a Ray of its own, on this machine: started, watched, drained and stopped by one process.

On Kubernetes none of this is used: there KubeRay owns Ray, and starts `serving.ray_app:application`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from serving.cluster.head import head
from serving.errors import Unavailable
from serving.settings import CellSettings

__all__ = ["RayCell"]

LOOK: Final = 2.0  # seconds between two looks at the deployments
PATIENCE: Final = 10.0  # seconds for the studios' answer


class RayCell:
    """`run` until `stop` is set. `drained` may be set at any time: then studios hand their jobs back."""

    def __init__(
        self,
        settings: CellSettings,
        file: Path,
        tell: Callable[[dict[str, object]], None],
        environment: MutableMapping[str, str],
    ) -> None:
        """`file` is the settings'; `tell` hears how the deployments are, whenever that changes; `environment` is this
        process's own, see `serving.cluster.head`."""
        self._environment = environment
        self.settings, self.file, self.tell = settings, file.absolute(), tell
        self.name = settings.cell.name  # of the application too: a Ray may have several cells of one operator
        self.drained = asyncio.Event()
        self._told: dict[str, object] = {}

    async def run(self, stop: asyncio.Event, told: Callable[[str], None], begun: Callable[[], None]) -> None:
        """Starts everything, says when it is ready, and stops everything. Raises Unavailable when it cannot start.

        Runs in the main thread. `begun` is called once Ray is there and has set its own signal handlers.
        """
        with head(self.settings, self._environment):
            begun()
            starting = asyncio.create_task(asyncio.to_thread(self._deploy))
            if not await _either(starting, stop):
                return
            told(f"The cell {self.settings.cell.name} is ready at {self.settings.cell.origin}.")
            await self._watch(stop)
            await self._hand_back()
            await asyncio.to_thread(_end, self.name)

    def _deploy(self) -> None:
        from ray import serve

        from serving.ray_app import application

        serve.start(proxy_location="Disabled")
        try:
            serve.run(application({"settings": str(self.file)}), name=self.name, route_prefix=None)
        except RuntimeError:  # Serve's word for a deployment that does not start; what kept it is in the lines above
            raise Unavailable("The cell did not start on Ray. What kept it stands above; mend that.") from None

    async def _watch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._say({"parts": await asyncio.to_thread(_deployments, self.name)})
            if self.drained.is_set():
                self._say({"jobs": await self._drain()})
            try:
                await asyncio.wait_for(stop.wait(), LOOK)
            except TimeoutError:
                continue

    def _say(self, more: dict[str, object]) -> None:
        now = self._told | more | {"draining": self.drained.is_set()}
        if now != self._told:
            self._told = now
            self.tell(now)

    async def _drain(self) -> int:
        """Jobs that are still in hand, after every studio was told to hand back."""
        try:
            return sum(await asyncio.to_thread(_told_to_drain, self.name))
        except Exception:  # noqa: BLE001  one that is just being replaced; the next look tells it again
            return 1

    async def _hand_back(self) -> None:
        """Before the recorder ends: a studio may still have an entry to write."""
        end = asyncio.get_running_loop().time() + self.settings.jobs.drain
        while await self._drain() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.2)


async def _either(starting: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Whether the cell has started before it was told to stop."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        return False
    await starting
    return True


def _deployments(name: str) -> dict[str, Any]:
    """By name: how a deployment is, and its replicas by state."""
    from ray import serve

    app = serve.status().applications.get(name)
    parts = app.deployments if app is not None else {}
    return {name: {"status": str(d.status.value), "replicas": dict(d.replica_states)} for name, d in parts.items()}


def _told_to_drain(name: str) -> list[int]:
    from ray import serve

    from serving.ray_app import BENCH

    return list(serve.get_deployment_handle(BENCH, name).broadcast("drain").results(timeout_s=PATIENCE))


def _end(name: str) -> None:
    """The cell's application; Ray itself ends with the block that it was made in."""
    from ray import serve

    serve.delete(name)
