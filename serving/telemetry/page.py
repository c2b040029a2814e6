"""The reference of everything that telemetry tells, made from its tables: `python -m serving.telemetry.page`.

A test holds docs/telemetry.md to what this makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from serving.telemetry.allowed import ATTRIBUTES, CALLS, SPANS
from serving.telemetry.foreign import FOREIGN
from serving.telemetry.metrics import METRICS, Metric

__all__ = ["PAGE", "page"]

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "telemetry.md"

HEAD: Final = """# What a cell tells those who watch it

A cell tells ids, sizes, counts, durations and states. It tells no prompt, no file's name, no address, no id of a user
and no text of an error: one allow-list stands before everything that leaves, and what is not on it is dropped and
counted (`equerry_telemetry_dropped_total{cause="unlisted"}`). All of it stays in the cell, with a collector there.

| what | where | how to switch it off |
|---|---|---|
| metrics | `/metrics` at `listen.operations_port`, Prometheus' text or OpenMetrics | `telemetry.metrics = false` |
| traces, metrics and logs | a collector at `telemetry.otlp`, by OTLP over HTTP | leave `otlp` empty |
| logs | standard error, one JSON object a line | `telemetry.level = "error"` says least |

`/livez` and `/readyz` answer beside `/metrics`. Clients must not reach that port; the gate does not stand before it.

**A trace's id is the request's id**, which is the job's id and stands in the residency log as `r-ID`. So a job's trace
goes on in whichever studio takes it up, after restarts too, and an auditor finds a trace from an entry. A client's own
`traceparent` is not taken over, since it would be 24 bytes of a stranger's choice.

**A collector that is down, slow or full** holds up nothing: spans and log lines wait in a bounded queue each
(`telemetry.queue`), and what comes when it is full is dropped and counted. Stopping a cell waits 2 s for a collector at
most.

**Log lines** say constant sentences of the source and listed fields; a sentence that was put together while the program
ran is not said. Each names its trace, on standard error and at the collector. Libraries are named with the level of
what they say, and not quoted. Errors that nobody catches leave their class and their place; Python's tracebacks, which
quote values, are off, and so are core dumps.

**Usage reporting of third parties** (vLLM, Ray, model hubs) is switched off in the environment before they are loaded,
whatever it said before. Variables `OTEL_…` are taken away, since they would steer telemetry past the settings.

This page is made from the code's own tables: `python -m serving.telemetry.page`.
"""


def page() -> str:
    """The reference page, in Markdown."""
    parts = [HEAD, "\n## Metrics\n\n", _table(("name", "kind", "what", "labels"), map(_metric, METRICS.values()))]
    parts += ["\n## Metrics of vLLM and Ray that are told on\n\n", FOREIGN_HEAD]
    parts += [_table(("name", "kind", "what", "labels"), map(_foreign, sorted(FOREIGN)))]
    parts += ["\n## Spans\n\n", _spans()]
    parts += ["\n## The allow-list\n\n", LIST_HEAD]
    return "".join(parts) + _table(("name", "what", "values"), map(_attribute, sorted(ATTRIBUTES)))


FOREIGN_HEAD: Final = """vLLM's are read where its engine runs in a process of the cell, and asked for at
`telemetry.vllm` where it does not. Series that differ in other labels are joined.

Ray's are told on by one process of a cell on Ray, its recorder, so that nobody counts them twice. It asks Ray's agent
of its own machine, at the port that Ray names, or at `telemetry.ray` where the settings name an address. The agent
needs no dashboard, but three packages of its: `opencensus`, `opencensus-context` and `aiohttp-cors`. A Ray without
them tells nothing; then the recorder tells how many replicas of each part are healthy, as Serve's controller counts
them. `application` is the cell's name, or `studios` on Kubernetes. Ray's reporting of usage stays off.

"""
LIST_HEAD: Final = """These names and values, and no others, leave in spans, labels and log lines.

"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = tuple(head)
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _metric(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label.replace('.', '_')}`" for label in metric.labels)
    return f"`{metric.prometheus}`", metric.kind.value, metric.help, labels or "none"


def _foreign(name: str) -> tuple[str, ...]:
    row = FOREIGN[name]
    labels = ", ".join(f"`{label}`" for label in sorted(row.labels))
    return f"`{row.prometheus}`", row.kind.value, row.help, labels or "none"


def _spans() -> str:
    whole = {f"{part}.{call}" for part, calls in CALLS.items() for call in calls}
    own = ", ".join(f"`{name}`" for name in sorted(SPANS - whole))
    return f"{own}; and `store.CALL` and `objects.CALL`, one for each method of the job store and the object store.\n"


def _attribute(name: str) -> tuple[str, ...]:
    rule = ATTRIBUTES[name]
    return f"`{name}`", rule.help, str(rule.values)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
