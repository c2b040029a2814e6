"""Metrics as Prometheus reads them, with HELP, TYPE and units in the names; as OpenMetrics when it asks for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from opentelemetry.sdk.metrics import export as out
from prometheus_client import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from serving.telemetry.metrics import ENDINGS, METRICS, Kind, Metric

__all__ = ["families", "rendered"]

_INFINITE: Final = "+Inf"


def rendered(families: Callable[[], Iterable[Family]], accept: str) -> tuple[bytes, str]:
    """The text and its content type, by the reader's Accept header."""
    encode, kind = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(tuple(families())))
    return encode(registry), kind


class _Once(Collector):
    """Families that are there already."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        """All of them."""
        return self._families

    def describe(self) -> Iterable[Family]:
        """Nothing: names are held together by the table."""
        return ()


def families(metrics: out.MetricsData) -> Iterator[Family]:
    """The table as Prometheus' families; one that has counted nothing yet is there with its help alone."""
    scopes = [scope for resource in metrics.resource_metrics for scope in resource.scope_metrics]
    found = {metric.name: metric for scope in scopes for metric in scope.metrics}
    for row in METRICS.values():
        yield _family(found.get(row.name), row)


def _family(metric: out.Metric | None, row: Metric) -> Family:
    name = row.prometheus.removesuffix("_total") if row.kind is Kind.COUNTER else row.prometheus
    family = Family(name, row.help, row.kind.value, ENDINGS.get(row.unit, "").removeprefix("_"))
    for point in metric.data.data_points if metric else ():
        labels = {key.replace(".", "_"): str(value) for key, value in sorted((point.attributes or {}).items())}
        if isinstance(point, out.HistogramDataPoint):
            _add_histogram(family, labels, point)
        elif isinstance(point, out.NumberDataPoint):
            family.add_sample(row.prometheus, labels, point.value)
    return family


def _add_histogram(family: Family, labels: dict[str, str], point: out.HistogramDataPoint) -> None:
    below = 0
    bounds = [*(str(float(bound)) for bound in point.explicit_bounds), _INFINITE]
    for bound, count in zip(bounds, point.bucket_counts, strict=True):
        below += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, below)
    family.add_sample(f"{family.name}_sum", labels, point.sum)
    family.add_sample(f"{family.name}_count", labels, point.count)
