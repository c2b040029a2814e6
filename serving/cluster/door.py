"""A gateway in a process of its own, with an HTTP server of its own.

Ray Serve's proxy would stand before the gate and read bodies on its own account (see the decision of 2026-11-21 on
gateways on Ray), so Serve only starts this process and looks after it. Several of them on one machine share the port:
the kernel deals out connections, and a new one can begin before the old one has ended.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final

from policies.errors import PolicyError
from serving.cluster.aside import Aside
from serving.cluster.remote import Ask, RemoteLedger
from serving.errors import Refused
from serving.gateway import FIRST_CHUNK_MS, Gateway, facts
from serving.house import House
from serving.parts import Parts, build
from serving.settings import Listen
from serving.settings_file import load
from serving.telemetry.opened import Watch
from serving.telemetry.tower import watched_over
from serving.wire import server_of

__all__ = ["Door", "shared_socket"]

PATIENCE: Final = 2.0  # seconds in which a gateway must say whether it is ready
STOP: Final = 20.0  # seconds for answers that are under way


class Door:
    """One gateway. Made when it listens."""

    def __init__(self, file: str, ask: Ask, watch: Watch | None = None) -> None:
        """`file` is the settings'; `ask` reaches the recorder. A `watch` is kept by whoever gives it."""
        self.settings, self._ask, self._watch = load(Path(file)), ask, watch
        self._open: Gateway | None = None
        self._aside = Aside("gateway", self._work)
        self._aside.await_ready()

    async def _work(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        ledger = await asyncio.to_thread(RemoteLedger, self._ask)
        parts = await asyncio.to_thread(build, self.settings, ledger, self._watch)
        following = asyncio.create_task(House(parts).follow())
        try:
            gateway = self._open = self._gateway(parts, ledger)
            async with self._watched(parts, gateway):
                await _serve(gateway, shared_socket(self.settings.listen), stop, ready)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            parts.close()

    def _gateway(self, parts: Parts, ledger: RemoteLedger) -> Gateway:
        async def missing() -> str:
            try:
                return await asyncio.to_thread(ledger.missing)
            except PolicyError as error:
                return f"the residency log: {error}"

        e = self.settings.engine
        return Gateway(
            parts, facts(e.model), chunk_ms=lambda: FIRST_CHUNK_MS, studios=lambda: e.replicas, missing=missing
        )

    def _watched(self, parts: Parts, gateway: Gateway) -> AbstractAsyncContextManager[None]:
        if self._watch is not None:
            return nullcontext()
        return watched_over(parts.watch, self.settings.listen, backlog=parts.store.backlog, ready=gateway.ready)

    def missing(self) -> str:
        """What keeps the gateway from its work, "" when nothing does. Raises Unavailable when it does not say."""
        return self._aside.ask(self._open.ready, PATIENCE) if self._open else "the gateway, which is starting"

    def check_health(self) -> None:
        """Raises when this process must be replaced. A recorder that is away is no reason."""
        self._aside.check()

    def close(self) -> bool:
        """Ends answers that are under way, and says whether they ended in time."""
        return self._aside.stop(STOP)

    def __del__(self) -> None:
        """What Ray Serve calls when a replica is to end."""
        if hasattr(self, "_aside"):
            self.close()


async def _serve(gateway: Gateway, place: socket.socket, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    server = server_of(gateway.app)
    serving = asyncio.create_task(server.serve(sockets=[place]))
    stopping = asyncio.create_task(stop.wait())
    ready()
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    with suppress(TimeoutError):
        await asyncio.wait_for(serving, STOP)


def shared_socket(listen: Listen) -> socket.socket:
    """A place to listen that further processes of the same user may share. Raises Refused when others have it."""
    place = socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        place.bind((listen.host, listen.port))
    except OSError as error:
        place.close()
        raise Refused(
            f"{listen.host}:{listen.port} cannot be listened on ({error.strerror}). Free it, or name another port."
        ) from None
    return place
