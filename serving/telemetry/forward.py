"""Metrics of Prometheus' form as OpenTelemetry's, so that a collector gets what `/metrics` shows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from opentelemetry.sdk.metrics import export as out
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family

__all__ = ["forwarded"]

Labels = tuple[tuple[str, str], ...]
CUMULATIVE = out.AggregationTemporality.CUMULATIVE


def forwarded(metrics: out.MetricsData, families: Iterable[Family], now_ns: int) -> out.MetricsData:
    """`metrics`, and the families beside them under their source's name; `now_ns` since 1970."""
    told = [_metric(family, now_ns) for family in families]
    if not told:
        return metrics
    scope = out.ScopeMetrics(InstrumentationScope("equerry.foreign"), told, "")
    first = metrics.resource_metrics[0]
    whole = out.ResourceMetrics(first.resource, [*first.scope_metrics, scope], first.schema_url)
    return out.MetricsData([whole])


def _metric(family: Family, now_ns: int) -> out.Metric:
    data: out.Sum | out.Gauge | out.Histogram
    if family.type == "histogram":
        data = out.Histogram(_histograms(family, now_ns), CUMULATIVE)
    else:
        points = [out.NumberDataPoint(dict(each.labels), 0, now_ns, each.value) for each in family.samples]
        data = out.Sum(points, CUMULATIVE, is_monotonic=True) if family.type == "counter" else out.Gauge(points)
    return out.Metric(family.name, family.documentation, "", data)


def _histograms(family: Family, now_ns: int) -> list[out.HistogramDataPoint]:
    """One point for each set of labels, from its buckets, which count from below."""
    below: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            below.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    return [_histogram(labels, sorted(counts), sums.get(labels, 0.0), now_ns) for labels, counts in below.items()]


def _histogram(labels: Labels, below: list[tuple[float, float]], total: float, now_ns: int) -> out.HistogramDataPoint:
    counts = [int(below[0][1]), *(int(upper[1] - lower[1]) for lower, upper in pairwise(below))]
    return out.HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=0,
        time_unix_nano=now_ns,
        count=int(below[-1][1]),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=[bound for bound, _ in below[:-1]],
        min=0.0,
        max=0.0,
    )
