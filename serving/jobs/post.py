"""The one call that a webhook makes: to a vetted address, once, with no redirect followed and no answer read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import httpcore

from serving.errors import Unavailable
from serving.jobs.job import TenantId
from serving.jobs.records import Parcel
from serving.media.fetch import Resolve, resolve
from serving.media.guard import IP, Address, Reach, literal, read_address, vet

WHOLE_S: Final = 10.0  # for one try, whatever the other side does
_FIELD: Final = "webhook"


class GuardedPost:
    """Posts to where a tenant's `Reach` allows. The connection goes to an address that was vetted, under the name of
    its host, so a second answer of the resolver cannot lead elsewhere."""

    def __init__(
        self, reach: Callable[[TenantId], Reach], *, resolve: Resolve = resolve, trust: ssl.SSLContext | None = None
    ) -> None:
        self._reach = reach
        self._resolve = resolve
        self._trust = trust or ssl.create_default_context()

    async def __call__(self, parcel: Parcel, headers: Mapping[str, str], body: bytes) -> int:
        """The status. Raises BadMedia for an address that must not be called, Unavailable when it does not answer."""
        reach = self._reach(parcel.tenant)
        address = read_address(parcel.address, _FIELD, reach)
        try:
            async with asyncio.timeout(WHOLE_S):
                own = literal(address.host)
                found = [own] if own is not None else await self._resolve(address.host, address.port)
                return await self._send(address, vet(address.host, found, _FIELD, reach), headers, body)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, OSError):
            raise Unavailable(f"The webhook at {address.host} does not answer. It is tried again later.") from None

    async def _send(self, address: Address, ips: Sequence[IP], headers: Mapping[str, str], body: bytes) -> int:
        sent = {"host": address.authority, "user-agent": "equerry", "connection": "close", **headers}
        lines = [(name, value) for name, value in {**sent, "content-length": str(len(body))}.items()]
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._trust, network_backend=_Pinned(ips)) as pool,
            pool.stream("POST", address.url, headers=lines, content=body) as answer,
        ):
            return answer.status


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the first vetted address, whatever host is asked for."""

    def __init__(self, vetted: Sequence[IP]) -> None:
        self._vetted = vetted
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002  the name, for which the vetted address stands
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  httpcore's protocol has it
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  the same
    ) -> httpcore.AsyncNetworkStream:
        """A connection."""
        return await self._real.connect_tcp(str(self._vetted[0]), port, timeout)

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts."""
        await asyncio.sleep(seconds)
