"""The instruments of the table, and what they have counted, strained, for `/metrics` and for a collector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Final

from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.metrics import _Gauge as Gauge  # the only name that the API gives it
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics import export as out
from opentelemetry.sdk.resources import Resource

from serving.telemetry.eyes import Told
from serving.telemetry.metrics import METRICS, Kind, Metric
from serving.telemetry.sieve import Sieve, Tally

__all__ = ["Meters"]

_LABELS: Final[Mapping[str, frozenset[str]]] = {name: frozenset(metric.labels) for name, metric in METRICS.items()}
Instrument = Counter | Gauge | Histogram


class Meters:
    """Counts. Labels are strained before they are counted under, so no stranger's word ever makes a series."""

    def __init__(self, resource: Resource, tally: Tally, *, tenants: int) -> None:
        self._tally = tally
        self._sieve, self._last = Sieve("metrics", tally, tenants=tenants), Sieve("metrics", tally)
        self._resource = Resource(self._last.strain(resource.attributes))
        self._reader = out.InMemoryMetricReader()
        self._lock = Lock()  # two that read at once would take each other's answer
        self.provider = MeterProvider(
            [self._reader],
            resource=self._resource,
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        meter = self.provider.get_meter("equerry")
        self._instruments = {name: _instrument(meter, metric) for name, metric in METRICS.items()}

    def add(self, name: str, value: float, labels: Mapping[str, Told]) -> None:
        """One value of any kind of metric. One that is not in the table is dropped and counted."""
        instrument = self._instruments.get(name)
        if instrument is None:
            self._tally.drop("metrics", "unlisted")
            return
        passed = self._sieve.strain(labels, _LABELS[name])
        if isinstance(instrument, Counter):
            instrument.add(value, passed)
        elif isinstance(instrument, Histogram):
            instrument.record(value, passed)
        else:
            instrument.set(value, passed)

    def read(self) -> out.MetricsData:
        """All metrics now, as they may leave: strained once more, whoever counted them."""
        with self._lock:
            found = self._reader.get_metrics_data()
        scopes = [scope for resource in (found.resource_metrics if found else ()) for scope in resource.scope_metrics]
        strained = [replace(scope, metrics=self._strained(scope.metrics)) for scope in scopes]
        return out.MetricsData([out.ResourceMetrics(self._resource, strained, "")])

    def _strained(self, metrics: object) -> list[out.Metric]:
        passed = []
        for metric in metrics:  # type: ignore[attr-defined]  # a sequence of metrics
            if metric.name in METRICS:
                passed.append(self._points(metric, METRICS[metric.name]))
            else:
                self._tally.drop("metrics", "unlisted")
        return passed

    def _points(self, metric: out.Metric, row: Metric) -> out.Metric:
        """The metric without the points whose labels are not all on the list; its text is that of the table."""
        allowed = _LABELS[row.name]
        points = [point for point in metric.data.data_points if self._whole(point.attributes or {}, allowed)]
        data = replace(metric.data, data_points=points)  # type: ignore[arg-type]  # points of the kind that they were
        return replace(metric, description=row.help, unit=row.unit, data=data)

    def _whole(self, labels: Mapping[str, object], allowed: frozenset[str]) -> bool:
        return len(self._last.strain(labels, allowed)) == len(labels)

    def close(self) -> None:
        """Let go."""
        self.provider.shutdown(1000)


def _instrument(meter: Meter, metric: Metric) -> Instrument:
    match metric.kind:
        case Kind.COUNTER:
            return meter.create_counter(metric.name, metric.unit, metric.help)
        case Kind.GAUGE:
            return meter.create_gauge(metric.name, metric.unit, metric.help)
        case Kind.HISTOGRAM:
            return meter.create_histogram(
                metric.name, metric.unit, metric.help, explicit_bucket_boundaries_advisory=metric.bounds
            )
