"""vLLM's and Ray's own metrics, by the same rule: what stands in this table passes, under these labels, and no more.

Both name hosts, processes, paths and routes in their labels. Those go, and series that differ in them alone are joined:
added up, or the largest taken where a sum means nothing. Help texts are ours, since a stranger's text is a stranger's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from policies.tenants.cell import CELL
from serving.telemetry.allowed import Id, Words
from serving.telemetry.metrics import Kind
from serving.telemetry.sieve import Tally

__all__ = ["FOREIGN", "Foreign", "of_vllm", "passed", "sifted"]

Labels = tuple[tuple[str, str], ...]
MOST_SAMPLES: Final = 20_000  # of one text that are looked at
SUFFIXES: Final = {Kind.COUNTER: ("_total", ""), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}


@dataclass(frozen=True, slots=True)
class Foreign:
    """One metric of somebody else's that is told on."""

    name: str  # without `_total`
    kind: Kind
    help: str
    labels: Mapping[str, Words | Id] = field(default_factory=dict)
    largest: bool = False  # joined by the largest, not by the sum

    @property
    def source(self) -> str:
        """Whose it is."""
        return "vllm" if self.name.startswith("vllm:") else "ray"

    @property
    def prometheus(self) -> str:
        """As it stands at /metrics."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


def _words(*words: str) -> Words:
    return Words(frozenset(words))


_ENGINE: Final = Id(re.compile(r"[0-9]{1,4}"), "number of an engine")
_BOUND: Final = Id(re.compile(r"[0-9.e+-]{1,24}|\+Inf"), "bound of a bucket")
_APPLICATION: Final = Id(re.compile(rf"studios|{CELL}"), "`studios`, or name of a cell")
_DEPLOYMENT: Final[dict[str, Words | Id]] = {
    "deployment": _words("gateway", "studio", "recorder"),
    "application": _APPLICATION,
}
_VLLM: Final = {"engine": _ENGINE}
_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

_TABLE: Final = (
    Foreign("vllm:num_requests_running", _G, "Windows of films in vLLM's batch.", _VLLM),
    Foreign("vllm:num_requests_waiting", _G, "Windows that wait for room in vLLM's batch.", _VLLM),
    Foreign("vllm:kv_cache_usage_perc", _G, "Share of vLLM's key-value cache in use.", _VLLM, largest=True),
    Foreign("vllm:num_preemptions", _C, "Windows that vLLM has put back for want of room.", _VLLM),
    Foreign("vllm:prompt_tokens", _C, "Tokens that vLLM has read.", _VLLM),
    Foreign("vllm:generation_tokens", _C, "Tokens that vLLM has drawn.", _VLLM),
    Foreign("vllm:prefix_cache_queries", _C, "Tokens looked up in the prefix cache.", _VLLM),
    Foreign("vllm:prefix_cache_hits", _C, "Tokens found in the prefix cache.", _VLLM),
    Foreign(
        "vllm:request_success", _C, "Windows that have ended, by how.",
        {**_VLLM, "finished_reason": _words("stop", "length", "abort", "error", "repetition")},
    ),
    Foreign("vllm:time_to_first_token_seconds", _H, "Time to a window's first token.", _VLLM),
    Foreign("vllm:inter_token_latency_seconds", _H, "Time between two tokens of a window.", _VLLM),
    Foreign("vllm:e2e_request_latency_seconds", _H, "Time of a window from end to end.", _VLLM),
    Foreign("vllm:request_queue_time_seconds", _H, "Time that a window waits in vLLM.", _VLLM),
    Foreign("ray_serve_deployment_request_counter", _C, "Requests to a deployment.", _DEPLOYMENT),
    Foreign("ray_serve_deployment_error_counter", _C, "Requests to a deployment that raised.", _DEPLOYMENT),
    Foreign("ray_serve_deployment_replica_starts", _C, "Replicas started, restarts included.", _DEPLOYMENT),
    Foreign("ray_serve_deployment_replica_healthy", _G, "Healthy replicas.", _DEPLOYMENT),
    Foreign("ray_serve_autoscaling_target_replicas", _G, "Replicas that are wanted.", _DEPLOYMENT),
    Foreign("ray_serve_deployment_queued_queries", _G, "Requests that wait for a replica.", _DEPLOYMENT),
    Foreign("ray_serve_replica_processing_queries", _G, "Requests in replicas.", _DEPLOYMENT),
    Foreign("ray_serve_deployment_processing_latency_ms", _H, "Milliseconds of a request in a replica.", _DEPLOYMENT),
    Foreign("ray_node_cpu_utilization", _G, "Per cent of this node's processors in use.", largest=True),
    Foreign("ray_node_mem_used", _G, "Bytes of this node's memory in use.", largest=True),
    Foreign("ray_node_mem_total", _G, "Bytes of this node's memory.", largest=True),
    Foreign("ray_node_gpus_utilization", _G, "Per cent of a GPU in use.", {"GpuIndex": _ENGINE}, largest=True),
    Foreign("ray_node_gram_used", _G, "Megabytes of a GPU's memory in use.", {"GpuIndex": _ENGINE}, largest=True),
    Foreign("ray_object_store_memory", _G, "Bytes of what Ray holds, in its own store and in processes."),
)  # fmt: skip

#: By name, without `_total`.
FOREIGN: Final[Mapping[str, Foreign]] = MappingProxyType({row.name: row for row in _TABLE})


def of_vllm(registry: Collector = REGISTRY) -> list[Family]:
    """What a vLLM in this process has registered, which its engine does by itself."""
    return [family for family in registry.collect() if family.name.startswith("vllm:")]


def passed(text: str, source: str, tally: Tally) -> list[Family]:
    """What of `source`'s text may be told on. Raises ValueError for what is not Prometheus' text."""
    return sifted(text_string_to_metric_families(text), source, tally)


def sifted(families: Iterable[Family], source: str, tally: Tally) -> list[Family]:
    """What of `source`'s metrics may be told on."""
    found: dict[str, dict[tuple[str, Labels], float]] = {}
    for number, (row, name, labels, value) in enumerate(_samples(families, source, tally)):
        if number >= MOST_SAMPLES:
            tally.drop("metrics", "full")
            break
        series = found.setdefault(row.name, {})
        before = series.get((name, labels))
        series[name, labels] = value if before is None else max(before, value) if row.largest else before + value
    return [_family(FOREIGN[name], series) for name, series in found.items()]


def _samples(families: Iterable[Family], source: str, tally: Tally) -> Iterator[tuple[Foreign, str, Labels, float]]:
    for family in families:
        row = FOREIGN.get(family.name.removesuffix("_total"))
        if row is None or row.source != source:
            tally.drop("metrics", "unlisted")
            continue
        for sample in family.samples:
            suffix = sample.name.removeprefix(row.name)
            if suffix in SUFFIXES[row.kind] and math.isfinite(sample.value):
                kept = _labels(row, suffix, sample.labels, tally)
                if kept is not None:
                    yield row, sample.name if row.kind is _H else row.prometheus, kept, sample.value


def _labels(row: Foreign, suffix: str, given: Mapping[str, str], tally: Tally) -> Labels | None:
    """The labels that pass; None for a sample that has a strange word where a known one belongs."""
    rules = {**row.labels, "le": _BOUND} if suffix == "_bucket" else row.labels
    if any(name in rules and not rules[name].fits(value) for name, value in given.items()):
        tally.drop("metrics", "unlisted")
        return None
    return tuple(sorted((name, value) for name, value in given.items() if name in rules))


def _family(row: Foreign, series: Mapping[tuple[str, Labels], float]) -> Family:
    family = Family(row.name, row.help, row.kind.value)
    for (name, labels), value in _in_order(series):
        family.add_sample(name, dict(labels), value)
    return family


def _in_order(series: Mapping[tuple[str, Labels], float]) -> Iterable[tuple[tuple[str, Labels], float]]:
    """Buckets in the order of their bounds, as readers expect them."""
    return sorted(series.items(), key=lambda each: (_without(each[0][1]), each[0][0], _bound(each[0][1])))


def _without(labels: Labels) -> Labels:
    return tuple(each for each in labels if each[0] != "le")


def _bound(labels: Labels) -> float:
    return float(dict(labels).get("le", "0"))
