"""A collector on loopback that keeps every byte it is sent, and can be slow, full or silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What came, by path; `status` and `delay` say how it answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.status, self.delay, self.location = 200, 0.0, ""
        self.kept: list[tuple[str, bytes, bytes]] = []  # path, headers, body

    @property
    def spans(self) -> list[Span]:
        bodies = [body for path, _, body in self.kept if path == "/v1/traces"]
        asked = [ExportTraceServiceRequest.FromString(body) for body in bodies]
        return [
            span
            for each in asked
            for whole in each.resource_spans
            for scope in whole.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> set[str]:
        bodies = [body for path, _, body in self.kept if path == "/v1/metrics"]
        asked = [ExportMetricsServiceRequest.FromString(body) for body in bodies]
        return {
            metric.name
            for each in asked
            for whole in each.resource_metrics
            for scope in whole.scope_metrics
            for metric in scope.metrics
        }

    @property
    def logs(self) -> list[tuple[str, LogRecord]]:
        """Lines, each with the module that has said it."""
        bodies = [body for path, _, body in self.kept if path == "/v1/logs"]
        asked = [ExportLogsServiceRequest.FromString(body) for body in bodies]
        return [
            (scope.scope.name, record)
            for each in asked
            for whole in each.resource_logs
            for scope in whole.scope_logs
            for record in scope.log_records
        ]

    @property
    def everything(self) -> bytes:
        return b"\n".join(part for each in self.kept for part in (each[0].encode(), *each[1:]))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, while it lasts."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(collector.delay)
            collector.kept.append((self.path, str(self.headers).encode(), body))
            self.send_response(collector.status)
            if collector.location:
                self.send_header("location", collector.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
