"""What a process's telemetry does with a real collector: it goes there, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

import httpx
import pytest

from serving.errors import Refused
from serving.jobs.records import Backlog
from serving.settings import CellSettings, Listen
from serving.studio import studio
from serving.telemetry.opened import open_watch
from serving.telemetry.operations import bound
from serving.telemetry.tower import keep_watch, place_among
from serving.telemetry.watched import watched
from tests.acceptance.collector import collecting

CELL = {"name": "eu-par", "jurisdiction": "EU", "provider": "own", "region": "x", "origin": "http://127.0.0.1:8000"}
JOB = "0123456789abcdef0123456789abcdef"


def settings(**telemetry):
    return CellSettings(cell=CELL, telemetry=telemetry)  # type: ignore[arg-type]  # as a file has them


@pytest.fixture
def collector():
    with collecting() as made:
        yield made


def test_traces_and_metrics_reach_the_collector_with_its_token(collector, tmp_path):
    token = tmp_path / "token"
    token.write_text("opensesame-opensesame")
    token.chmod(0o600)
    watch = open_watch(settings(otlp=collector.address, token=token, every=60))
    with watch.eyes.request(JOB, sampled=True):
        watch.eyes.count("equerry.jobs.repeated", tenant="t-0123456789abcdef")
    watch.close()

    assert [span.name for span in collector.spans] == ["request"]
    assert "equerry.jobs.repeated" in collector.metrics
    assert all(b"opensesame-opensesame" in headers for _, headers, _ in collector.kept)
    assert watch.tally.sent == {"spans": 1, "metrics": 1}


def said(watch, job=JOB, **extra):
    """A sentence of ours, said while a job is in hand."""
    record = logging.LogRecord(
        "serving.studio.studio", logging.WARNING, studio.__file__, 1, "A job went to another studio.", (), None
    )
    vars(record).update(extra)
    with watch.eyes.job(job):
        logging.getLogger("serving.studio.studio").handle(record)


def test_a_log_line_reaches_the_collector_with_its_trace_and_what_is_on_the_list(collector):
    watch = open_watch(settings(otlp=collector.address, every=60))
    said(watch, job=JOB, error="StaleFence", prompt="a red circle")
    watch.close()

    ((module, line),) = collector.logs
    assert (module, line.body.string_value) == ("serving.studio.studio", "A job went to another studio.")
    assert (line.trace_id.hex(), line.severity_text) == (JOB, "warning")
    assert {each.key: each.value.string_value for each in line.attributes} == {"error": "StaleFence"}
    assert b"red circle" not in collector.everything
    assert watch.tally.sent["logs"] == 1


def test_logs_that_a_collector_does_not_take_are_counted_and_hold_up_nothing(collector):
    collector.status = 503
    watch = open_watch(settings(otlp=collector.address, every=60, seconds=1, queue=512))
    began = time.perf_counter()
    for _ in range(2_000):
        said(watch)
    took = time.perf_counter() - began
    watch.close()

    assert took < 5
    assert sum(count for (signal, _), count in watch.tally.dropped.items() if signal == "logs") == 2_000


def test_a_watch_that_is_closed_carries_no_more_lines(collector):
    watch = open_watch(settings(otlp=collector.address, every=60))
    watch.close()
    said(watch)

    assert collector.logs == []


def test_neither_a_proxy_nor_a_redirect_leads_telemetry_elsewhere(collector, monkeypatch):
    with collecting() as elsewhere:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.address)
        monkeypatch.setenv("NO_PROXY", "")
        collector.status, collector.location = 307, f"{elsewhere.address}/v1/traces"
        watch = open_watch(settings(otlp=collector.address, every=60, seconds=1))
        with watch.eyes.request(JOB, sampled=True):
            pass
        watch.close()

    assert collector.kept
    assert elsewhere.kept == []
    assert watch.tally.dropped["spans", "failed"] == 1


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end(collector):
    collector.delay = 30.0
    watch = open_watch(settings(otlp=collector.address, every=60, seconds=20))
    with watch.eyes.request(JOB, sampled=True):
        pass

    began = time.perf_counter()
    watch.close()

    assert time.perf_counter() - began < 10


def test_without_a_collector_and_metrics_nobody_watches():
    watch = open_watch(settings(metrics=False))

    assert watch.families is None
    with watch.eyes.request(JOB, sampled=True), watch.eyes.span("gate"):
        pass
    watch.close()


def test_a_part_that_is_watched_does_what_it_did_and_is_timed(collector):
    class Store:
        rules = "the rules"

        def get(self, tenant, job):
            if job == "gone":
                raise Refused("There is none.")
            return tenant, job

    heard = []
    watch = open_watch(settings(otlp=collector.address, every=60))
    store = watched(Store(), "store", watch.eyes, lambda call, result: heard.append((call, result)))
    with watch.eyes.request(JOB, sampled=True):
        assert store.get("t", job="j") == ("t", "j")
        with pytest.raises(Refused):
            store.get("t", "gone")
    assert store.rules == "the rules"
    assert watch.families is not None
    page = "".join(
        str(family.samples) for family in watch.families() if family.name == "equerry_store_duration_seconds"
    )
    watch.close()

    assert heard == [("get", ("t", "j"))]
    assert sorted(span.name for span in collector.spans) == ["request", "store.get", "store.get"]
    assert "'outcome': 'refused'" in page
    assert "'outcome': 'ok'" in page


async def patiently(client, address):
    """The answer of a server that is just beginning."""
    for _ in range(200):
        try:
            return await client.get(address, timeout=10)
        except httpx.HTTPError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"{address} did not answer")


def test_operators_find_each_process_of_a_machine_at_a_port_of_its_own():
    async def ready():
        return ""

    async def main():
        watch = open_watch(settings())
        places = [place_among(Listen(operations_port=free)) for _ in range(2)]
        nothing = Backlog(queued=0, running=0, work_ms=0, oldest=None)
        tasks = [
            asyncio.create_task(keep_watch(watch, place, backlog=lambda: nothing, ready=ready)) for place in places
        ]
        ports = {place.getsockname()[1] for place in places}
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = [await patiently(client, f"http://127.0.0.1:{port}/metrics") for port in sorted(ports)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        watch.close()
        return answers

    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        free = min(place.getsockname()[1], 60_000)

    assert [answer.status_code for answer in asyncio.run(main())] == [200, 200]


def test_a_port_that_is_taken_is_refused_with_the_setting_to_change():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused, match="operations_port"):
            bound("127.0.0.1", taken.getsockname()[1])
