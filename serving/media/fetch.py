"""The one way in which this cell calls an address that a client gave.

A host is resolved once per hop; all its addresses are vetted, and the connection goes to one of exactly these, under
the name of the host (so certificates are checked and virtual hosts work), so a second answer of the resolver cannot
lead elsewhere. Redirects start from the beginning. No cookie, credential, proxy or environment variable takes part.
Nothing is decompressed: a body under a content coding is refused, so a small answer stays small.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from weakref import WeakValueDictionary

import httpcore

from serving.errors import BadMedia
from serving.media.guard import IP, Address, Reach, literal, next_address, read_address, vet
from serving.media.patience import Patience
from serving.media.pinned import Pinned

Resolve = Callable[[str, int], Awaitable[Sequence[IP]]]  # host, port -> addresses; none for a name that is not known

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FAULTS: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    TimeoutError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body as it came."""

    body: bytes
    sha256: str
    host: str  # where it came from in the end


async def resolve(host: str, port: int) -> Sequence[IP]:
    """What the system's resolver knows of a host, in its order of preference."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(ip_address(place[0]) for *_, place in found))
    except (OSError, UnicodeError, ValueError):  # ValueError: an address with a zone, which is link-local
        return ()


class Fetcher:
    """Fetches what clients' addresses name, within a tenant's `Reach` and this cell's `Patience`."""

    def __init__(
        self,
        patience: Patience,
        *,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
        agent: str = "equerry",
    ) -> None:
        self._patience = patience
        self._resolve = resolve
        self._trust = trust or ssl.create_default_context()
        self._agent = agent
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def fetch(self, url: str, *, field: str, tenant: str, reach: Reach, most: int | None = None) -> Fetched:
        """The body behind an address, of at most `most` bytes and never more than the cell's own bound.

        Raises BadMedia, and nothing else, for an address that must not be called or does not answer as it should.
        """
        address = read_address(url, field, reach)
        most = min(most or self._patience.bytes, self._patience.bytes)
        turn = self._turns.setdefault(tenant, asyncio.Semaphore(self._patience.at_once))
        async with turn:
            try:
                async with asyncio.timeout(self._patience.whole):
                    return await self._follow(address, field, reach, most)
            except _FAULTS as fault:
                raise BadMedia(field, f"{field}: {_why(fault, address.host)}") from None

    async def _follow(self, address: Address, field: str, reach: Reach, most: int) -> Fetched:
        for _ in range(self._patience.redirects + 1):
            async with self._answer(address, field, reach) as answer:
                if answer.status not in REDIRECTS:
                    return await _taken(answer, address, field, most)
                address = next_address(address, _header(answer, b"location"), field, reach)
        raise BadMedia(field, f"{field}: {address.host} redirects too often. Give the address where the file lies.")

    @asynccontextmanager
    async def _answer(self, address: Address, field: str, reach: Reach) -> AsyncIterator[httpcore.Response]:
        """An answer of which only the head was read. The connection ends with the block, used up or not."""
        own = literal(address.host)
        found = [own] if own is not None else await self._resolve(address.host, address.port)
        pinned = Pinned(vet(address.host, found, field, reach))
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._trust, network_backend=pinned) as pool,
            pool.stream("GET", address.url, headers=self._headers(address), extensions=self._timeouts()) as answer,
        ):
            yield answer

    def _headers(self, address: Address) -> list[tuple[str, str]]:
        return [
            ("Host", address.authority),
            ("User-Agent", self._agent),
            ("Accept", "image/*, video/*, audio/*, application/octet-stream"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]

    def _timeouts(self) -> dict[str, Any]:
        connect, read = self._patience.connect, self._patience.read
        return {"timeout": {"connect": connect, "read": read, "write": read, "pool": connect}}


async def _taken(answer: httpcore.Response, address: Address, field: str, most: int) -> Fetched:
    """The body of an answer that is neither an error, nor coded, nor too long."""
    if answer.status != 200:
        raise BadMedia(field, f"{field}: {address.host} answers with status {answer.status}. Check the address.")
    if _header(answer, b"content-encoding").lower() not in ("", "identity"):
        raise BadMedia(field, f"{field}: {address.host} sends the file compressed. Serve it as it is, or upload it.")
    if int(_header(answer, b"content-length") or 0) > most:  # h11 lets digits through only
        raise _too_long(field, address, most)
    body = bytearray()
    async for part in _parts(answer):
        body += part
        if len(body) > most:
            raise _too_long(field, address, most)
    return Fetched(bytes(body), hashlib.sha256(body).hexdigest(), address.host)


def _parts(answer: httpcore.Response) -> AsyncIterable[bytes]:
    return answer.aiter_stream()


def _too_long(field: str, address: Address, most: int) -> BadMedia:
    return BadMedia(field, f"{field}: the file at {address.host} has more than {most:,} bytes. Make it smaller.")


def _header(answer: httpcore.Response, name: bytes) -> str:
    """A header's value, or nothing. Latin-1 never fails; what is not an address then is refused when it is read."""
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")


def _why(fault: BaseException, host: str) -> str:
    """What to say of a connection that failed; never the fault's own text, which may hold the address."""
    if isinstance(fault, httpcore.TimeoutException | TimeoutError):
        return f"{host} takes too long to send the file. Try again, or upload it."
    if isinstance(fault, httpcore.ConnectError):
        return f"{host} cannot be reached, or its certificate is not trusted. Check the address, or upload the file."
    return f"{host} broke off while it sent the file. Try again, or upload it."
