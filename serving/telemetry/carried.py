"""Log lines on their way to a collector, by OTLP: the same lines as on standard error, through the same sieve.

A line is strained where it is said, since only there its trace is known, and goes by a belt of its own. What the belts'
own threads say stays on standard error alone: a collector that fails would otherwise be told so, again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from serving.telemetry.belt import THREAD, Belt
from serving.telemetry.logs import Lines

__all__ = ["Carrier", "carrying"]

Line = Mapping[str, object]  # as `Lines.told` gives it
Export = Callable[[Sequence[ReadableLogRecord]], bool]
NUMBERS: Final = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_OWN: Final = frozenset({"at", "level", "from", "says", "trace", "span"})  # what has a place of its own in a record


class Carrier(logging.Handler):
    """Puts lines on a belt. It neither waits nor raises."""

    def __init__(self, belt: Belt[Line]) -> None:
        super().__init__()
        self._belt, self._lines = belt, Lines()  # what is dropped has been counted for standard error

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        if not (record.threadName or "").startswith(THREAD):
            self._belt.put(self._lines.told(record))


def carrying(resource: Resource, export: Export) -> Callable[[Sequence[Line]], bool]:
    """What a belt of lines hands them to."""

    def carry(lines: Sequence[Line]) -> bool:
        return export([_record(line, resource) for line in lines])

    return carry


def _record(line: Line, resource: Resource) -> ReadableLogRecord:
    at = round(float(str(line["at"])) * 1e9)
    record = LogRecord(
        timestamp=at,
        observed_timestamp=at,
        trace_id=int(str(line.get("trace", "0")), 16),
        span_id=int(str(line.get("span", "0")), 16),
        trace_flags=TraceFlags(0),
        severity_text=str(line["level"]),
        severity_number=NUMBERS.get(str(line["level"]), SeverityNumber.UNSPECIFIED),
        body=str(line["says"]),
        attributes={name: value for name, value in line.items() if name not in _OWN},  # type: ignore[misc]  # strained
    )
    return ReadableLogRecord(record, resource, InstrumentationScope(str(line["from"])))
