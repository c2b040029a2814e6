"""The one call that a webhook makes: to a vetted address, once, with no redirect followed and no answer read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpcore

from serving.errors import Unavailable
from serving.jobs.job import TenantId
from serving.jobs.records import Parcel
from serving.media.fetch import Resolve, resolve
from serving.media.guard import IP, Address, Reach, literal, read_address, vet
from serving.media.pinned import Pinned

WHOLE_S: Final = 10.0  # for one try, whatever the other side does, unless told otherwise
_FIELD: Final = "webhook"


class GuardedPost:
    """Posts to where a tenant's `Reach` allows. The connection goes to an address that was vetted, under the name of
    its host, so a second answer of the resolver cannot lead elsewhere."""

    def __init__(
        self,
        reach: Callable[[TenantId], Reach],
        *,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
        whole_s: float = WHOLE_S,
    ) -> None:
        self._whole_s = whole_s
        self._reach = reach
        self._resolve = resolve
        self._trust = trust or ssl.create_default_context()

    async def __call__(self, parcel: Parcel, headers: Mapping[str, str], body: bytes) -> int:
        """The status. Raises BadMedia for an address that must not be called, Unavailable when it does not answer."""
        reach = self._reach(parcel.tenant)
        address = read_address(parcel.address, _FIELD, reach)
        try:
            async with asyncio.timeout(self._whole_s):
                own = literal(address.host)
                found = [own] if own is not None else await self._resolve(address.host, address.port)
                return await self._send(address, vet(address.host, found, _FIELD, reach), headers, body)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, OSError):
            raise Unavailable(f"The webhook at {address.host} does not answer. It is tried again later.") from None

    async def _send(self, address: Address, ips: Sequence[IP], headers: Mapping[str, str], body: bytes) -> int:
        sent = {"host": address.authority, "user-agent": "equerry", "connection": "close", **headers}
        lines = [(name, value) for name, value in {**sent, "content-length": str(len(body))}.items()]
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._trust, network_backend=Pinned(ips)) as pool,
            pool.stream("POST", address.url, headers=lines, content=body) as answer,
        ):
            return answer.status
