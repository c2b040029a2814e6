"""Eyes that see: spans by OpenTelemetry, metrics by the table. What they see passes the sieve before it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.trace import Span as OtelSpan

from serving.telemetry.allowed import ATTRIBUTES
from serving.telemetry.eyes import Span, Told
from serving.telemetry.meters import Meters
from serving.telemetry.spans import Ids, kept, root_of

__all__ = ["Watcher", "kind_of"]

_KINDS = ATTRIBUTES["error"].values


def kind_of(error: BaseException) -> str:
    """The class of what was raised, or of its nearest ancestor that has a name here; never its text."""
    return next((kind.__name__ for kind in type(error).__mro__ if _KINDS.fits(kind.__name__)), "other")


class Watcher:
    """See `serving.telemetry.eyes.Eyes`."""

    def __init__(self, tracer: Tracer | None, meters: Meters, *, share: float) -> None:
        """Without a tracer there are metrics alone; `share` of the requests that make films is traced."""
        self._tracer, self._meters, self._share = tracer, meters, share

    @contextmanager
    def span(self, name: str, **attributes: Told) -> Iterator[Span]:
        """See Eyes."""
        if self._tracer is None or not trace.get_current_span().get_span_context().trace_flags.sampled:
            yield _UNSEEN
            return
        with self._seen(self._tracer.start_span(name, attributes=attributes)) as seen:
            yield seen

    @contextmanager
    def request(self, request: str, *, sampled: bool) -> Iterator[Span]:
        """See Eyes."""
        if self._tracer is None or not sampled or not kept(request, self._share):
            with trace.use_span(_hidden(request)):
                yield _UNSEEN
            return
        with Ids.rooted(root_of(request)):
            span = self._tracer.start_span("request", context=Context(), kind=SpanKind.SERVER)
        with self._seen(span) as seen:
            yield seen

    @contextmanager
    def job(self, job: str, **attributes: Told) -> Iterator[Span]:
        """See Eyes."""
        if self._tracer is None or not kept(job, self._share):
            with trace.use_span(_hidden(job)):
                yield _UNSEEN
            return
        root = root_of(job)
        above = trace.set_span_in_context(NonRecordingSpan(root), Context())
        kind, links = SpanKind.CONSUMER, [Link(root)]
        span = self._tracer.start_span("studio", context=above, kind=kind, links=links, attributes=attributes)
        with self._seen(span) as seen:
            yield seen

    @contextmanager
    def _seen(self, span: OtelSpan) -> Iterator[Span]:
        """The span while it is the current one. An error leaves its kind; never its text, nor a traceback."""
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield _Seen(span)
            except BaseException as error:
                span.set_attribute("error.type", kind_of(error))
                if isinstance(error, Exception):
                    span.set_status(Status(StatusCode.ERROR))
                raise

    def count(self, metric: str, amount: float = 1, **labels: Told) -> None:
        """See Eyes."""
        self._meters.add(metric, amount, labels)

    def measure(self, metric: str, value: float, **labels: Told) -> None:
        """See Eyes."""
        self._meters.add(metric, value, labels)

    def gauge(self, metric: str, value: float, **labels: Told) -> None:
        """See Eyes."""
        self._meters.add(metric, value, labels)


class _Seen:
    """A span of OpenTelemetry's."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def tell(self, **attributes: Told) -> None:
        """See Span."""
        self._span.set_attributes(attributes)


class _Unseen:
    """A span that is not kept."""

    def tell(self, **attributes: Told) -> None:
        """Nothing."""


_UNSEEN = _Unseen()


def _hidden(request: str) -> NonRecordingSpan:
    """The span of a trace that is not kept; logs still name the trace."""
    root = root_of(request)
    return NonRecordingSpan(SpanContext(root.trace_id, root.span_id, is_remote=False, trace_flags=TraceFlags(0)))
