"""Takes what a cell would send to those who watch it: an OTLP collector over HTTP that keeps bodies for the search."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from serving.conform.haystack import Hay

__all__ = ["Collector", "listening"]

MOST_BODY: Final = 16 << 20  # bytes of one export
MOST_KEPT: Final = 256 << 20  # bytes in all; more are counted as lost, and the check says so


class Collector:
    """What one cell has told."""

    def __init__(self) -> None:
        self.address = ""
        self.lost = 0
        self._kept: list[bytes] = []
        self._size = 0
        self._turn = threading.Lock()

    def take(self, body: bytes) -> None:
        """One export."""
        with self._turn:
            self._size += len(body)
            if self._size > MOST_KEPT:
                self.lost += 1
            else:
                self._kept.append(body)

    def hay(self) -> Iterator[Hay]:
        """All of it, for a search."""
        with self._turn:
            kept = [*self._kept]
        for number, body in enumerate(kept):
            yield Hay("telemetry", f"export {number}", body)


@contextmanager
def listening(host: str) -> Iterator[Collector]:
    """A collector on a free port of this address until the block ends."""
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(min(size, MOST_BODY))
            collector.take(_plain(body, self.headers.get("content-encoding", "")))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer((host, 0), Door) as server:
        server.daemon_threads = True
        collector.address = f"http://{host}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(10)


def _plain(body: bytes, coding: str) -> bytes:
    if coding != "gzip":
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return body
