"""Every metric of a cell in one table: what it is called, its unit, what it says, and its labels.

Names are OpenTelemetry's; `Metric.prometheus` is how the same metric is called at `/metrics` and in dashboards: dots
become underscores, the unit is appended, and counters end in `_total` (OpenTelemetry's compatibility rules). The
instruments are made from this table, so a metric that is not here cannot be counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["METRICS", "Kind", "Metric", "Unit"]


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"  # only up
    GAUGE = "gauge"  # up and down
    HISTOGRAM = "histogram"  # how many values fell where


class Unit(StrEnum):
    """UCUM, as OpenTelemetry writes units; each says how it ends a Prometheus name."""

    SECONDS = "s"
    BYTES = "By"
    RATIO = "1"
    NONE = ""
    JOBS = "{job}"
    FILMS = "{film}"
    CHUNKS = "{chunk}"
    SLOTS = "{slot}"
    STEPS = "{step}"
    REQUESTS = "{request}"
    CALLS = "{call}"
    ITEMS = "{item}"


ENDINGS: Final = MappingProxyType({Unit.SECONDS: "_seconds", Unit.BYTES: "_bytes", Unit.RATIO: "_ratio"})
QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)  # seconds


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    kind: Kind
    unit: Unit
    help: str
    labels: tuple[str, ...] = ()  # names of `serving.telemetry.allowed`
    bounds: tuple[float, ...] = ()  # of a histogram's buckets, in its unit

    @property
    def prometheus(self) -> str:
        """Its name at `/metrics`; a histogram's series end in `_bucket`, `_sum` and `_count` besides."""
        stem = self.name.replace(".", "_") + ENDINGS.get(self.unit, "")
        return f"{stem}_total" if self.kind is Kind.COUNTER else stem


def _count(name: str, unit: Unit, help_: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, unit, help_, labels)


def _gauge(name: str, unit: Unit, help_: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, unit, help_, labels)


def _time(name: str, bounds: tuple[float, ...], help_: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Unit.SECONDS, help_, labels, bounds)


_TABLE: Final = (
    # The door.
    _time("equerry.request.duration", QUICK, "Time to answer a request, body included.", "dialect", "method", "status"),
    _count("equerry.gate.refusals", Unit.REQUESTS, "Requests that the gate refused, by reason.", "error"),
    _count("equerry.gate.unwritten", Unit.REQUESTS, "Refusals of strangers' keys that the log has as a sum only."),
    _time("equerry.log.commit.duration", QUICK, "Time until an entry of the residency log is durable.", "entry"),
    # Jobs.
    _count("equerry.jobs.submitted", Unit.JOBS, "Jobs made durable.", "tenant", "mode"),
    _count("equerry.jobs.repeated", Unit.JOBS, "Submissions that were retries of an earlier job.", "tenant"),
    _count("equerry.jobs.claimed", Unit.JOBS, "Times that a studio took a job up.", "again"),
    _count("equerry.jobs.ended", Unit.JOBS, "Jobs that reached an end.", "tenant", "state", "reason"),
    _count("equerry.jobs.handed_back", Unit.JOBS, "Jobs given back: by a drain, or by a lost lease.", "cause"),
    _time("equerry.job.wait", SLOW, "Time from submission to the first claim."),
    _time("equerry.job.duration", SLOW, "Time from submission to the end.", "state"),
    _gauge("equerry.jobs.waiting", Unit.JOBS, "Jobs that wait for a studio now."),
    _gauge("equerry.jobs.running", Unit.JOBS, "Jobs that a studio has in hand now."),
    _gauge("equerry.jobs.work", Unit.SECONDS, "Engine time that is left in waiting and running jobs."),
    _gauge("equerry.jobs.oldest", Unit.SECONDS, "Age of the job that waits longest; 0 when none waits."),
    # The parts.
    _time("equerry.store.duration", QUICK, "Time of one call of the job store.", "call", "outcome"),
    _time("equerry.objects.duration", QUICK, "Time of one call of the object store.", "call", "outcome"),
    _count("equerry.objects.moved", Unit.BYTES, "Bytes of objects put and got whole.", "call"),
    _time("equerry.stage.duration", SLOW, "Time of one stage of the work on a film.", "stage", "outcome"),
    _count("equerry.webhooks.tried", Unit.CALLS, "Tries to tell a client of an end."),
    _count("equerry.webhooks.delivered", Unit.CALLS, "Notes of an end that their address has taken."),
    _count("equerry.house.failures", Unit.CALLS, "Duties of housekeeping that failed; each is tried again.", "duty"),
    _count("equerry.witnesses.asked", Unit.CALLS, "Witnesses asked to cosign the log's head: `refused` is another "
           "answer than a cosignature, `failed` one that does not hold, `unavailable` none.", "outcome"),
    # The engine; names under gen_ai are OpenTelemetry's for generative models.
    _time("gen_ai.server.request.duration", SLOW, "Time of the engine on one film.", "gen_ai.operation.name",
          "gen_ai.provider.name", "gen_ai.response.model", "error.type"),
    _time("equerry.engine.first_chunk", SLOW, "Time until the engine hands out a film's first chunk, wait included."),
    _count("equerry.engine.chunks", Unit.CHUNKS, "Chunks decoded."),
    _count("equerry.engine.slots", Unit.SLOTS, "Slots drawn; one slot is one code, which is one token."),
    _count("equerry.engine.steps", Unit.STEPS, "Steps of the batch."),
    _count("equerry.engine.busy", Unit.SECONDS, "Time spent in steps."),
    _count("equerry.engine.restarts", Unit.CALLS, "Times that the engine was made anew after a fault."),
    _gauge("equerry.engine.running", Unit.FILMS, "Films in the batch now."),
    _gauge("equerry.engine.waiting", Unit.FILMS, "Films that wait for room in the batch now."),
    _gauge("equerry.engine.cache.use", Unit.RATIO, "Share of the key-value cache in use; only with a paged cache."),
    # The cell, and the watching itself.
    _gauge("equerry.cell.ready", Unit.NONE, "1 when the cell can do its work, else 0."),
    _count("equerry.process.cpu", Unit.SECONDS, "Processor time of this process."),
    _gauge("equerry.process.memory", Unit.BYTES, "Resident memory of this process."),
    _count("equerry.telemetry.dropped", Unit.ITEMS, "What was not told on: `unlisted` is not on the allow-list, `full` "
           "found the queue full, `failed` was not taken by the collector.", "signal", "cause"),
    _count("equerry.telemetry.exported", Unit.ITEMS, "Spans, metrics and logs that a collector has taken.", "signal"),
    _gauge("equerry.telemetry.queue", Unit.ITEMS, "Spans and logs that wait for the collector.", "signal"),
    _count("equerry.telemetry.scrapes", Unit.CALLS, "Times that the engine's or Ray's own metrics were asked for.",
           "source", "outcome"),
)  # fmt: skip

#: By OpenTelemetry's name.
METRICS: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _TABLE})
