"""Connections that go to addresses we have vetted, whatever a second answer of the resolver would say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from serving.media.guard import IP

__all__ = ["Pinned"]


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to vetted addresses, whatever host is asked for."""

    def __init__(self, vetted: Sequence[IP]) -> None:
        self._vetted = vetted
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002  the name, for which the vetted addresses stand
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  httpcore's protocol has it
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  the same
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first of the addresses that takes one."""
        for ip in self._vetted[:-1]:
            try:
                return await self._real.connect_tcp(str(ip), port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._real.connect_tcp(str(self._vetted[-1]), port, timeout)

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts."""
        await asyncio.sleep(seconds)
