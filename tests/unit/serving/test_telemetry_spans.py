"""Traces: their ids follow the request's, and nothing unlisted is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.gate import Scope
from serving.telemetry.belt import Belt
from serving.telemetry.door import Door, current_request, dialect_of
from serving.telemetry.meters import Meters
from serving.telemetry.sieve import Tally
from serving.telemetry.spans import kept, root_of, tracers
from serving.telemetry.watcher import Watcher, kind_of

JOB = "0123456789abcdef0123456789abcdef"
CANARY = "wallaby-in-the-prompt"
ids = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: int(text, 16) > 0)


@dataclass
class Seen:
    eyes: Watcher
    belt: Belt[ReadableSpan]
    out: InMemorySpanExporter
    tally: Tally

    def spans(self):
        assert self.belt.flush(5)
        return {span.name: span for span in self.out.get_finished_spans()}


@pytest.fixture
def seen() -> Iterator[Seen]:
    tally, out = Tally(), InMemorySpanExporter()
    resource = Resource({"service.name": "equerry", "host.name": CANARY})
    provider, belt = tracers(resource, out, tally, most=100, every=0.05)
    meters = Meters(resource, tally, tenants=3)
    yield Seen(Watcher(provider.get_tracer("equerry"), meters, share=1.0), belt, out, tally)
    belt.close(5)
    meters.close()


def test_a_jobs_span_belongs_to_the_trace_of_its_request(seen):
    with seen.eyes.request(JOB, sampled=True):
        pass
    with seen.eyes.job(JOB, fence=2), seen.eyes.span("engine"):
        pass

    spans = seen.spans()
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {JOB}
    assert spans["studio"].parent.span_id == spans["request"].context.span_id == root_of(JOB).span_id
    assert [link.context.span_id for link in spans["studio"].links] == [spans["request"].context.span_id]
    assert spans["engine"].parent.span_id == spans["studio"].context.span_id


def test_a_span_leaves_without_what_is_not_listed(seen):
    with suppress(ValueError), seen.eyes.request(JOB, sampled=True) as span:
        span.tell(prompt=CANARY, dialect=CANARY, fence=3)
        raise ValueError(CANARY)
    with seen.eyes.job(JOB), seen.eyes.span(CANARY):
        pass

    spans = seen.spans()
    assert set(spans) == {"request", "studio"}
    assert dict(spans["request"].attributes) == {"fence": 3, "error.type": "ValueError"}
    assert (spans["request"].events, spans["request"].status.description) == ((), None)
    assert CANARY not in "".join(span.to_json() for span in spans.values())
    assert seen.tally.dropped["spans", "unlisted"] == 4


def test_a_trace_that_is_not_kept_costs_no_span_and_still_has_its_id(seen):
    with seen.eyes.request(JOB, sampled=False), seen.eyes.span("gate"):
        inside = current_request()

    assert (inside, seen.spans()) == (JOB, {})


@given(ids, st.floats(0, 1))
def test_every_process_keeps_the_same_traces(request_id, share):
    assert kept(request_id, 1.0)
    assert not kept(request_id, 0.0)
    assert kept(request_id, share) is kept(f"{'f' * 18}{request_id[18:]}", share), "only the random end decides"


@given(ids)
def test_the_root_of_a_job_is_always_a_span(job):
    assert root_of(job).is_valid
    assert root_of(job) == root_of(job)


def test_an_error_is_told_by_its_nearest_known_class():
    class Odd(ValueError):
        pass

    class Alien(BaseException):
        pass

    assert kind_of(Odd(CANARY)) == "ValueError"
    assert kind_of(Alien()) == "BaseException"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/videos", "openai"),
        ("/v1/jobs/x", "native"),
        ("/api/v1/tasks/x", "dashscope"),
        ("/content/x/film.mp4", "films"),
        ("/", "other"),
    ],
)
def test_a_path_belongs_to_a_dialect(path, dialect):
    assert dialect_of(path) == dialect


def test_a_request_whose_client_names_a_trace_gets_one_of_its_own(seen):
    async def inner(scope, receive, send):
        assert current_request() == JOB
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(_):
        pass

    async def receive():
        raise AssertionError("nobody reads a body here")

    door = Door(inner, seen.eyes, new_id=lambda: JOB, reads=1.0)
    headers = [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")]
    scope: Scope = {"type": "http", "method": "GET", "path": f"/v1/{CANARY}", "headers": headers, "query_string": b""}
    asyncio.run(door(scope, receive, send))

    span = seen.spans()["request"]
    assert (f"{span.context.trace_id:032x}", span.parent) == (JOB, None)
    assert dict(span.attributes) == {
        "http.request.method": "GET", "http.response.status_code": 204, "dialect": "openai",
    }  # fmt: skip
