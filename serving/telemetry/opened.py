"""Everything that watches one process of a cell, made from its settings and closed with it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Final

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from prometheus_client import Metric as Family
from requests import Session

from serving.secret import read_secret
from serving.settings import CellSettings, Telemetry
from serving.telemetry.belt import Belt
from serving.telemetry.carried import Carrier, Line, carrying
from serving.telemetry.eyes import BLIND, Eyes
from serving.telemetry.foreign import of_vllm
from serving.telemetry.forward import forwarded
from serving.telemetry.logs import count_logs
from serving.telemetry.meters import Meters
from serving.telemetry.pulse import Pulse
from serving.telemetry.scraper import Scraper
from serving.telemetry.sieve import Tally
from serving.telemetry.spans import tracers
from serving.telemetry.text import families
from serving.telemetry.ticker import Ticker
from serving.telemetry.watcher import Watcher

__all__ = ["Watch", "open_watch"]

LAST: Final = 2.0  # seconds that a stopping cell gives the collector


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The eyes of one process, and what stands behind them."""

    eyes: Eyes
    pulse: Pulse
    scraper: Scraper
    tally: Tally
    families: Callable[[], Iterable[Family]] | None  # for /metrics; None when they are switched off
    close: Callable[[], None]  # tells what is left, for 2 s at most, and lets go


def open_watch(settings: CellSettings) -> Watch:
    """Raises Refused for a secret's file that cannot be read."""
    t, tally = settings.telemetry, Tally()
    count_logs(tally)
    logging.getLogger("opentelemetry").setLevel(
        logging.CRITICAL + 1
    )  # it would say at each try what the belt says once
    resource = _resource(settings.cell.name)
    meters = Meters(resource, tally, tenants=t.tenants)
    provider, belt = _tracing(t, resource, tally)
    tracer = None if provider is None else provider.get_tracer("equerry")
    eyes = Watcher(tracer, meters, share=t.sample) if t.metrics or t.otlp else BLIND
    sources = {name: address for name, address in (("vllm", t.vllm), ("ray", t.ray)) if address}
    here = {"vllm": of_vllm} if settings.engine.kind == "vllm" and "vllm" not in sources else {}
    scraper = Scraper(sources, eyes, tally, seconds=t.seconds, every=t.every, here=here)
    ticker = _ticking(t, lambda: forwarded(meters.read(), scraper.families(), time.time_ns()), tally)
    lines = _carrying(t, resource, tally)
    carrier = None if lines is None else Carrier(lines)
    if carrier is not None:
        logging.getLogger().addHandler(carrier)

    def close() -> None:
        if carrier is not None:
            logging.getLogger().removeHandler(carrier)
        end = time.monotonic() + LAST
        for part in (belt, lines, ticker):
            if part is not None:
                part.close(max(0.1, end - time.monotonic()))
        meters.close()

    def waiting() -> Mapping[str, int]:
        return {"spans": belt.waiting, "logs": lines.waiting} if belt is not None and lines is not None else {}

    return Watch(
        eyes=eyes,
        pulse=Pulse(eyes, tally, waiting),
        scraper=scraper,
        tally=tally,
        families=(lambda: chain(families(meters.read()), scraper.families())) if t.metrics else None,
        close=close,
    )


def _resource(cell: str) -> Resource:
    return Resource(
        {
            "service.name": "equerry",
            "service.version": version("equerry"),
            "service.instance.id": secrets.token_hex(4),
            "cell": cell,
        }
    )


def _tracing(
    t: Telemetry, resource: Resource, tally: Tally
) -> tuple[TracerProvider, Belt[ReadableSpan]] | tuple[None, None]:
    if not t.otlp:
        return None, None
    exporter = OTLPSpanExporter(f"{t.otlp}/v1/traces", headers=_headers(t), timeout=t.seconds, session=_session())
    return tracers(resource, exporter, tally, most=t.queue, every=1.0)


def _carrying(t: Telemetry, resource: Resource, tally: Tally) -> Belt[Line] | None:
    if not t.otlp:
        return None
    exporter = OTLPLogExporter(f"{t.otlp}/v1/logs", headers=_headers(t), timeout=t.seconds, session=_session())

    def export(records: Sequence[ReadableLogRecord]) -> bool:
        return exporter.export(records) is LogRecordExportResult.SUCCESS

    return Belt("logs", carrying(resource, export), tally, most=t.queue, every=1.0)


def _ticking(t: Telemetry, read: Callable[[], MetricsData], tally: Tally) -> Ticker | None:
    if not t.otlp:
        return None
    exporter = OTLPMetricExporter(f"{t.otlp}/v1/metrics", headers=_headers(t), timeout=t.seconds, session=_session())

    def export(metrics: MetricsData) -> bool:
        return exporter.export(metrics) is MetricExportResult.SUCCESS

    return Ticker(read, export, tally, every=t.every)


def _headers(t: Telemetry) -> dict[str, str]:
    return {} if t.token is None else {"authorization": f"Bearer {read_secret(t.token).decode()}"}


def _session() -> Session:
    """Goes to the collector and nowhere else: no proxy of the environment, no redirect."""
    session = Session()
    session.trust_env = False
    session.max_redirects = 0
    return session
