"""Many clients in one thread: each keeps its connection and has one request under way. As cheap as Python can be."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
PATIENCE_S = 60.0  # without any answer at all


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw."""

    took: tuple[float, ...]  # seconds of each request, sorted
    whole: float  # seconds from the first request to the last answer
    bodies: tuple[bytes, ...]
    spent: float  # seconds of processor time that the clients took for all of it

    @property
    def per_s(self) -> float:
        """Answers in a second."""
        return len(self.took) / self.whole

    def quantile_ms(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return 1000 * self.took[min(len(self.took) - 1, int(share * len(self.took)))]


@dataclass(slots=True)
class _Client:
    wire: socket.socket
    begun: float = 0.0
    heard: bytearray = field(default_factory=bytearray)


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """One request as bytes. An answer that is no 200 stops the measurement."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{more}\r\n".encode("ascii") + body


def load(port: int, ask: Callable[[int], bytes], calls: int, clients: int) -> Load:
    """`calls` requests by `clients` connections that live on. Raises AssertionError for any answer but 200."""
    took: list[float] = []
    bodies: list[bytes] = []
    asked = 0
    with selectors.DefaultSelector() as eyes:
        begun, spent = time.perf_counter(), time.thread_time()
        for _ in range(min(clients, calls)):
            client = _Client(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            client.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            eyes.register(client.wire, selectors.EVENT_READ, client)
            _send(client, ask(asked))
            asked += 1
        while len(took) < calls:
            ready = eyes.select(PATIENCE_S)
            assert ready, "no answer came"
            for key, _ in ready:
                client = key.data
                body = _hear(client)
                if body is None:
                    continue
                took.append(time.perf_counter() - client.begun)
                bodies.append(body)
                if asked < calls:
                    _send(client, ask(asked))
                    asked += 1
        whole, spent = time.perf_counter() - begun, time.thread_time() - spent
        for each in list(eyes.get_map().values()):
            each.data.wire.close()
    return Load(tuple(sorted(took)), whole, tuple(bodies), spent)


def _send(client: _Client, asked: bytes) -> None:
    client.heard.clear()
    client.begun = time.perf_counter()
    client.wire.sendall(asked)


def _hear(client: _Client) -> bytes | None:
    """The body, once it is there."""
    part = client.wire.recv(65_536)
    assert part, f"the server hung up after {bytes(client.heard[:300])!r}"
    client.heard += part
    end = client.heard.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(client.heard, 0, end + 2)
    assert length is not None, bytes(client.heard[:300])
    if len(client.heard) < end + 4 + int(length[1]):
        return None
    assert client.heard.startswith(b"HTTP/1.1 200 "), bytes(client.heard[:600])
    return bytes(client.heard[end + 4 :])
