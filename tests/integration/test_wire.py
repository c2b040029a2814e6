"""Clients that do not keep to the rules, on real sockets: what the server bounds, and how it says farewell."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from serving.farewell import Farewell
from serving.wire import Wire, server_of

FORM = b"POST / HTTP/1.1\r\nHost: x\r\n"
REFUSAL = b'{"why":"no"}'


class Refusing:
    """Answers without a look at the body, as the gate does. `closes` says that the connection ends with it."""

    def __init__(self, closes: bool = True) -> None:
        self.asked, self.closes = 0, closes

    async def __call__(self, scope, receive, send) -> None:
        self.asked += 1
        headers = [(b"content-length", b"%d" % len(REFUSAL))] + [(b"connection", b"close")] * self.closes
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": REFUSAL})


async def echo(scope, receive, send) -> None:
    """Answers with how many bytes of body came."""
    more, size = True, 0
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    told = b"%d bytes" % size
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(told)).encode())]}
    )
    await send({"type": "http.response.body", "body": told})


@contextmanager
def serving(app) -> Iterator[int]:
    """The port of a server that runs in a thread until the block is left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = server_of(app)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def wire_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def until(wire: socket.socket, end: bytes) -> bytes:
    """What comes until this does; less when the connection ends before."""
    answer = b""
    while not answer.endswith(end) and (part := wire.recv(65_536)):
        answer += part
    return answer


def to_the_end(wire: socket.socket) -> bytes:
    answer = b""
    while part := wire.recv(65_536):
        answer += part
    return answer


def drip(wire: socket.socket, part: bytes, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wire.sendall(part)
        time.sleep(0.01)


def flooded(port: int, head: bytes, flood: bytes, most: int) -> SimpleNamespace:
    """How many bytes a server took of one that never ends, and what it said."""
    with wire_to(port) as wire:
        wire.sendall(head)
        sent, answer = 0, b""
        with suppress(ConnectionError):
            while sent < most:
                wire.sendall(flood)
                sent += len(flood)
        with suppress(ConnectionError, TimeoutError):
            answer = to_the_end(wire)
    return SimpleNamespace(sent=sent, answer=answer)


# -- farewell


@pytest.mark.parametrize("megabytes", [1, 8, 40])
def test_a_client_that_writes_to_the_end_before_it_reads_still_reads_why_it_was_refused(megabytes):
    with serving(Farewell(Refusing())) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: %d\r\n\r\n" % (megabytes << 20))
        for _ in range(megabytes):
            wire.sendall(bytes(1 << 20))
        time.sleep(0.05)

        assert to_the_end(wire).endswith(REFUSAL)


def test_a_client_that_is_slow_with_its_body_reads_its_refusal_too():
    with serving(Farewell(Refusing())) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: 400000\r\n\r\n")
        for _ in range(4):
            time.sleep(0.15)
            wire.sendall(bytes(100_000))

        assert to_the_end(wire).endswith(REFUSAL)


def test_a_refused_client_is_answered_at_once_and_let_go_when_it_falls_silent():
    with serving(Farewell(Refusing(), hush=0.3)) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: 1000000\r\n\r\n")
        began = time.monotonic()
        first = until(wire, REFUSAL)
        answered = time.monotonic() - began

        assert first.endswith(REFUSAL)
        assert to_the_end(wire) == b""
    assert answered < 0.25 < time.monotonic() - began < 2


@pytest.mark.parametrize("bound", [{"linger": 0.3}, {"most": 200_000}], ids=["time", "bytes"])
def test_a_body_that_never_ends_is_not_taken_for_ever(bound):
    with serving(Farewell(Refusing(), **bound)) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            drip(wire, b"2710\r\n" + bytes(10_000) + b"\r\n", seconds=5)


def test_a_client_that_waits_to_be_asked_is_not_asked_and_not_waited_for():
    with serving(Farewell(Refusing())) as port, wire_to(port) as wire:
        began = time.monotonic()
        wire.sendall(FORM + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        answer = to_the_end(wire)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert time.monotonic() - began < 0.5


def test_a_request_behind_a_refused_body_is_no_request():
    app = Refusing()
    with serving(Farewell(app)) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: 5\r\n\r\nhello" + FORM + b"\r\n")

        assert to_the_end(wire).count(b"HTTP/1.1") == 1
    assert app.asked == 1


def test_a_short_body_that_nobody_reads_does_not_cost_its_client_the_connection():
    app = Refusing(closes=False)
    with serving(Farewell(app)) as port, wire_to(port) as wire:
        for _ in range(2):
            wire.sendall(FORM + b"Content-Length: 2\r\n\r\n{}")
            assert until(wire, REFUSAL).endswith(REFUSAL)
    assert app.asked == 2


def test_a_long_body_that_nobody_reads_ends_its_connection():
    with serving(Farewell(Refusing(closes=False))) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000))

        assert b"connection: close" in to_the_end(wire)


# -- heads


FLOODS = {
    "many headers": (b"GET / HTTP/1.1\r\n", b"X-Flood: " + b"a" * 1_000 + b"\r\n"),
    "one header": (b"GET / HTTP/1.1\r\nX-Flood: ", b"a" * 1_000),
    "a path": (b"GET /", b"a" * 1_000),
    "a header's name": (b"GET / HTTP/1.1\r\n", b"a" * 1_000),
    "empty lines": (b"", b"\r\n" * 500),
    "trailers": (FORM + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Flood: " + b"a" * 1_000 + b"\r\n"),
    "a trailer": (FORM + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Flood: ", b"a" * 1_000),
    "an extension": (FORM + b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"a" * 1_000),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_head_that_never_ends_is_not_kept(flood):
    with serving(Farewell(echo)) as port:
        found = flooded(port, *FLOODS[flood], most=64 << 20)

    assert found.sent < 16 << 20  # what lies in the sockets' buffers counts as sent
    assert b"200 OK" not in found.answer


def test_a_trailer_is_no_header():
    seen: list[bytes] = []

    async def reads(scope, receive, send):
        await echo(scope, receive, send)
        seen.extend(name for name, _ in scope["headers"])

    with serving(reads) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer k\r\n\r\n")

        assert until(wire, b"2 bytes").endswith(b"2 bytes")
    assert seen == [b"host", b"transfer-encoding"]


def test_a_head_that_is_too_long_is_told_so():
    with serving(echo) as port, wire_to(port) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nX-Flood: " + b"a" * 70_000)

        assert to_the_end(wire).startswith(b"HTTP/1.1 431 ")


def test_a_long_head_within_the_bound_and_a_long_body_are_read():
    with serving(Farewell(echo)) as port, wire_to(port) as wire:
        for _ in range(2):
            wire.sendall(FORM + b"X-Long: " + b"a" * 30_000 + b"\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000))
            assert until(wire, b"300000 bytes").endswith(b"300000 bytes")


@pytest.mark.parametrize("begun", [b"", b"GET / HT", FORM])
def test_a_head_that_does_not_come_is_not_waited_for(begun, monkeypatch):
    monkeypatch.setattr(Wire, "head_s", 0.3)
    with serving(echo) as port, wire_to(port) as wire:
        began = time.monotonic()
        wire.sendall(begun)

        assert to_the_end(wire) == b""
    assert 0.2 < time.monotonic() - began < 2


def test_a_second_request_has_as_long_for_its_head_as_the_first(monkeypatch):
    monkeypatch.setattr(Wire, "head_s", 0.3)
    with serving(echo) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"\r\n")
        assert until(wire, b"0 bytes").endswith(b"0 bytes")
        time.sleep(0.4)  # idle between requests: that has a patience of its own
        wire.sendall(FORM)
        began = time.monotonic()

        assert to_the_end(wire) == b""
    assert 0.2 < time.monotonic() - began < 2


def test_a_slow_body_is_no_slow_head(monkeypatch):
    monkeypatch.setattr(Wire, "head_s", 0.2)
    with serving(Farewell(echo)) as port, wire_to(port) as wire:
        wire.sendall(FORM + b"Content-Length: 3\r\n\r\n")
        for _ in range(3):
            time.sleep(0.15)
            wire.sendall(b"a")

        assert until(wire, b"3 bytes").endswith(b"3 bytes")
