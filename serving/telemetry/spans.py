"""Traces: one for each request that is sampled, from the gate to the film, across processes and restarts.

What may surprise:

* A trace's id is the request's id, which is the job's id and stands in the residency log. So a job carries its trace
  wherever it goes, with nothing more to keep, and the root span's id follows from it too.
* A client's own `traceparent` is not taken over: 24 bytes of a stranger's choice would enter the cell's telemetry.
* Whether a trace is kept follows from its id, so every process of the cell comes to the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, SpanContext, Status, TraceFlags

from serving.telemetry.allowed import SPANS
from serving.telemetry.belt import Belt
from serving.telemetry.sieve import Sieve, Tally

__all__ = ["Ids", "SpanSieve", "kept", "root_of", "tracers"]

_LIMITS: Final = SpanLimits(max_span_attributes=24, max_events=0, max_links=4, max_attribute_length=128)
_next: ContextVar[tuple[int, int] | None] = ContextVar("equerry-next-root", default=None)


def root_of(request: str) -> SpanContext:
    """The span of the request that made a job, from the job's id of 32 hexadecimal digits."""
    span = hashlib.sha256(f"equerry/span/{request}".encode()).digest()[:8]
    return SpanContext(int(request, 16), int.from_bytes(span) or 1, is_remote=True, trace_flags=TraceFlags(1))


def kept(request: str, share: float) -> bool:
    """Whether a trace is among the share that is kept; the same answer everywhere."""
    return int(request[-14:], 16) < share * (1 << 56)


class Ids(IdGenerator):
    """Random ids, but for a root, which has those of its request."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """128 bits."""
        named = _next.get()
        return self._random.generate_trace_id() if named is None else named[0]

    def generate_span_id(self) -> int:
        """64 bits."""
        named = _next.get()
        return self._random.generate_span_id() if named is None else named[1]

    class rooted:  # noqa: N801 - reads as a verb at its one use
        """While it lasts, the span that is started is the root of a request."""

        def __init__(self, root: SpanContext) -> None:
            self._root = root

        def __enter__(self) -> None:
            self._token = _next.set((self._root.trace_id, self._root.span_id))

        def __exit__(self, *_: object) -> None:
            _next.reset(self._token)


class SpanSieve:
    """A span as it may leave: its name, attributes and links strained, its events and its status's text gone."""

    def __init__(self, resource: Resource, tally: Tally) -> None:
        self._sieve, self._tally = Sieve("spans", tally), tally
        self._resource = Resource(self._sieve.strain(resource.attributes))

    def strain(self, span: ReadableSpan) -> ReadableSpan | None:
        """None for a span whose name is not on the list."""
        if span.name not in SPANS:
            self._tally.drop("spans", "unlisted")
            return None
        if span.events or span.status.description:
            self._tally.drop("spans", "unlisted", len(span.events) + bool(span.status.description))
        return ReadableSpan(
            name=span.name,
            context=span.get_span_context(),
            parent=span.parent,
            resource=self._resource,
            attributes=self._sieve.strain(span.attributes or {}),
            links=tuple(Link(link.context) for link in span.links),
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


class _Processor(SpanProcessor):
    """Puts ended spans on the belt; they are strained in the belt's own thread."""

    def __init__(self, belt: Belt[ReadableSpan]) -> None:
        self._belt = belt

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._belt.put(span)

    def shutdown(self) -> None:
        """The belt is closed by whoever made it."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True once the belt is empty."""
        return self._belt.flush(timeout_millis / 1000)


def tracers(
    resource: Resource, exporter: SpanExporter, tally: Tally, *, most: int, every: float
) -> tuple[TracerProvider, Belt[ReadableSpan]]:
    """A provider whose spans reach `exporter` through the sieve, and its belt."""
    sieve = SpanSieve(resource, tally)

    def export(spans: Sequence[ReadableSpan]) -> bool:
        strained = [passed for span in spans if (passed := sieve.strain(span)) is not None]
        return not strained or exporter.export(strained) is SpanExportResult.SUCCESS

    belt: Belt[ReadableSpan] = Belt("spans", export, tally, most=most, every=every)
    provider = TracerProvider(
        sampler=ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_OFF),
        resource=resource,
        id_generator=Ids(),
        span_limits=_LIMITS,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(_Processor(belt))
    return provider, belt
