"""Metrics as they are counted, read by Prometheus and sent to a collector; others' metrics by the same rule."""

from __future__ import annotations

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from model.engine import Stats
from serving.jobs.records import Backlog
from serving.telemetry.eyes import BLIND
from serving.telemetry.foreign import FOREIGN, of_vllm, passed, sifted
from serving.telemetry.forward import forwarded
from serving.telemetry.meters import Meters
from serving.telemetry.metrics import METRICS
from serving.telemetry.operations import Operations
from serving.telemetry.pulse import Pulse
from serving.telemetry.scraper import Scraper
from serving.telemetry.sieve import Tally
from serving.telemetry.text import families, rendered
from serving.telemetry.watcher import Watcher

CANARY = "bettong-in-a-label"
TENANT = "t-0123456789abcdef"


@pytest.fixture
def meters():
    made = Meters(Resource({"service.name": "equerry", "x": CANARY}), Tally(), tenants=2)
    yield made
    made.close()


def page(meters, accept=""):
    return rendered(lambda: families(meters.read()), accept)[0].decode()


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_of_the_table_has_its_help_and_type_before_anything_was_counted(meters):
    told = {(family.name, family.documentation, family.type) for family in text_string_to_metric_families(page(meters))}

    assert told == {
        (metric.prometheus.removesuffix("_total"), metric.help, metric.kind.value) for metric in METRICS.values()
    }


def test_units_are_told_to_who_reads_openmetrics(meters):
    told = {
        family.name: family.unit for family in open_families(page(meters, "application/openmetrics-text;version=1.0.0"))
    }

    assert told["equerry_store_duration_seconds"] == "seconds"
    assert told["equerry_objects_moved_bytes"] == "bytes"


def test_what_is_counted_is_what_is_read(meters):
    meters.add("equerry.jobs.submitted", 2, {"tenant": TENANT, "mode": "t2v"})
    meters.add("equerry.jobs.waiting", 5, {})
    meters.add("equerry.jobs.waiting", 3, {})
    for seconds in (0.002, 0.2, 20.0):
        meters.add("equerry.store.duration", seconds, {"call": "submit", "outcome": "ok"})

    told = samples(page(meters))
    where = (("call", "submit"), ("outcome", "ok"))
    assert told["equerry_jobs_submitted_total", (("mode", "t2v"), ("tenant", TENANT))] == 2
    assert told["equerry_jobs_waiting", ()] == 3
    assert told["equerry_store_duration_seconds_count", where] == 3
    buckets = {
        dict(labels)["le"]: value for (name, labels), value in told.items() if name.endswith("duration_seconds_bucket")
    }
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.25"], buckets["10.0"], buckets["+Inf"]) == (0, 1, 2, 2, 3)


def test_a_strange_label_makes_no_series_and_a_strange_metric_none(meters):
    meters.add("equerry.jobs.submitted", 1, {"tenant": CANARY, "mode": CANARY, CANARY: CANARY})
    meters.add(f"equerry.{CANARY}", 1, {})
    meters.provider.get_meter("careless").create_counter(CANARY).add(1, {"tenant": CANARY})
    meters.provider.get_meter("careless").create_counter("equerry.jobs.claimed").add(1, {"again": CANARY})

    told = meters.read()

    assert CANARY not in page(meters)
    assert CANARY not in told.to_json()
    assert samples(page(meters))["equerry_jobs_submitted_total", ()] == 1


def test_tenants_beyond_the_bound_share_a_label(meters):
    for number in range(5):
        meters.add("equerry.jobs.repeated", 1, {"tenant": f"t-{number:016x}"})

    told = {
        dict(labels)["tenant"]: value for (name, labels), value in samples(page(meters)).items() if "repeated" in name
    }
    assert told == {f"t-{0:016x}": 1, f"t-{1:016x}": 1, "other": 3}


VLLM = f"""# HELP vllm:num_requests_running {CANARY}
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="/home/{CANARY}"}} 2.0
vllm:num_requests_running{{engine="1",model_name="/home/{CANARY}"}} 3.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="a"}} 0.25
vllm:kv_cache_usage_perc{{engine="0",model_name="b"}} 0.75
# TYPE vllm:request_success counter
vllm:request_success_total{{engine="0",finished_reason="length",model_name="x"}} 7.0
vllm:request_success_total{{engine="0",finished_reason="{CANARY}",model_name="x"}} 1.0
vllm:request_success_created{{engine="0",finished_reason="length",model_name="x"}} 1.7e9
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{{engine="0",le="0.1",model_name="x"}} 1.0
vllm:inter_token_latency_seconds_bucket{{engine="0",le="+Inf",model_name="x"}} 4.0
vllm:inter_token_latency_seconds_sum{{engine="0",model_name="x"}} 2.5
vllm:inter_token_latency_seconds_count{{engine="0",model_name="x"}} 4.0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{{model_name="{CANARY}"}} 1.0
# TYPE python_info gauge
python_info{{implementation="{CANARY}"}} 1.0
"""
CALLS = "ray_serve_deployment_request_counter_total"
RAY = f"""# TYPE {CALLS} counter
{CALLS}{{application="eu-par",deployment="gateway",replica="a",route="/{CANARY}",ip="10.0.0.1"}} 2
{CALLS}{{application="eu-par",deployment="gateway",replica="b",route="/x",ip="10.0.0.2"}} 3
{CALLS}{{application="{CANARY}",deployment="gateway",replica="b"}} 9
"""


def told_of(found):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in found for s in family.samples}


def test_of_vllms_metrics_the_listed_pass_without_their_paths():
    tally = Tally()

    found = passed(VLLM, "vllm", tally)

    engine = ("engine", "0")
    assert told_of(found) == {
        ("vllm:num_requests_running", (engine,)): 2,
        ("vllm:num_requests_running", (("engine", "1"),)): 3,
        ("vllm:kv_cache_usage_perc", (engine,)): 0.75,
        ("vllm:request_success_total", (engine, ("finished_reason", "length"))): 7,
        ("vllm:inter_token_latency_seconds_bucket", (engine, ("le", "0.1"))): 1,
        ("vllm:inter_token_latency_seconds_bucket", (engine, ("le", "+Inf"))): 4,
        ("vllm:inter_token_latency_seconds_sum", (engine,)): 2.5,
        ("vllm:inter_token_latency_seconds_count", (engine,)): 4,
    }
    assert CANARY not in rendered(lambda: found, "")[0].decode()
    assert tally.dropped["metrics", "unlisted"] == 4  # two metrics, a date of birth, and a reason


def test_rays_metrics_are_added_up_over_what_is_dropped():
    found = passed(RAY, "ray", Tally())

    where = (("application", "eu-par"), ("deployment", "gateway"))
    assert told_of(found) == {("ray_serve_deployment_request_counter_total", where): 5}


def test_of_a_vllm_in_this_process_the_listed_pass_and_nobody_elses_are_counted():
    registry, tally = CollectorRegistry(), Tally()
    Gauge("vllm:num_requests_running", CANARY, ["engine", "model_name"], registry=registry).labels("0", CANARY).set(2)
    Counter("vllm:generation_tokens", CANARY, ["engine", "model_name"], registry=registry).labels("0", CANARY).inc(7)
    Gauge("somebody_elses", CANARY, registry=registry).set(1)

    found = sifted(of_vllm(registry), "vllm", tally)

    engine = (("engine", "0"),)
    assert told_of(found) == {("vllm:num_requests_running", engine): 2, ("vllm:generation_tokens_total", engine): 7}
    assert CANARY not in rendered(lambda: found, "")[0].decode()
    assert tally.dropped == {}


async def looked_at(scraper):
    looking = asyncio.create_task(scraper.run())
    await asyncio.sleep(0.5)
    looking.cancel()
    return told_of(scraper.families())


def test_metrics_of_this_process_are_read_without_an_address_and_may_fail():
    registry = CollectorRegistry()
    Gauge("vllm:num_requests_waiting", "x", registry=registry).set(3)
    for read, told in ((lambda: of_vllm(registry), {("vllm:num_requests_waiting", ()): 3}), (lambda: 1 / 0, {})):
        scraper = Scraper({}, BLIND, Tally(), seconds=1, every=60, here={"vllm": read})  # type: ignore[dict-item]  # it fails

        assert asyncio.run(looked_at(scraper)) == told


def test_a_source_that_the_settings_name_stays_and_another_may_be_added_before_the_first_look():
    registry = CollectorRegistry()
    Gauge("ray_serve_deployment_replica_healthy", "x", ["deployment"], registry=registry).labels("studio").set(2)
    free, named = (
        Scraper(source, BLIND, Tally(), seconds=1, every=60) for source in ({}, {"ray": "http://127.0.0.1:9"})
    )

    for scraper in (free, named):
        scraper.look_at("ray", lambda: list(registry.collect()))

    healthy = ("ray_serve_deployment_replica_healthy", (("deployment", "studio"),))
    assert [asyncio.run(looked_at(scraper)) for scraper in (free, named)] == [{healthy: 2}, {}]


def test_one_source_cannot_speak_for_the_other():
    assert passed(VLLM, "ray", Tally()) == []


def test_others_metrics_reach_a_collector_as_prometheus_shows_them(meters):
    whole = forwarded(meters.read(), passed(VLLM, "vllm", Tally()), 1)

    told = {metric.name: metric for scope in whole.resource_metrics[0].scope_metrics for metric in scope.metrics}
    histogram = told["vllm:inter_token_latency_seconds"].data.data_points[0]
    assert isinstance(histogram, HistogramDataPoint)
    assert (histogram.count, histogram.sum) == (4, 2.5)
    assert (histogram.bucket_counts, histogram.explicit_bounds) == ([1, 3], [0.1])
    running = told["vllm:num_requests_running"].data.data_points
    assert [point.value for point in running if isinstance(point, NumberDataPoint)] == [2, 3]
    assert CANARY not in json.dumps(whole.to_json())


def test_text_that_is_none_of_prometheus_is_refused():
    with pytest.raises(ValueError, match=r"."):
        passed("vllm:num_requests_running{ 1", "vllm", Tally())


def test_every_foreign_metric_says_what_it_is():
    assert all(row.help.endswith(".") and row.source in row.name for row in FOREIGN.values())


def test_a_scraper_keeps_what_passes_and_forgets_a_source_that_is_gone(meters):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/good" else 302)
            self.send_header("location", "/good")
            self.end_headers()
            self.wfile.write(VLLM.encode() if self.path == "/good" else b"")

        def log_message(self, *_):
            pass

    async def looked(scraper, path):
        async with httpx.AsyncClient(trust_env=False) as client:
            return await scraper._look(client, "vllm", f"http://127.0.0.1:{server.server_address[1]}{path}")

    eyes = Watcher(None, meters, share=0.0)
    scraper = Scraper({}, eyes, Tally(), seconds=5, every=5)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        good = asyncio.run(looked(scraper, "/good"))
        moved = asyncio.run(looked(scraper, "/moved"))
        server.shutdown()

    assert len(good) == 4
    assert moved == []
    told = samples(page(meters))
    assert told["equerry_telemetry_scrapes_total", (("outcome", "ok"), ("source", "vllm"))] == 1
    assert told["equerry_telemetry_scrapes_total", (("outcome", "unavailable"), ("source", "vllm"))] == 1


def test_a_pulse_adds_what_has_grown_and_no_more(meters):
    tally = Tally()
    pulse = Pulse(Watcher(None, meters, share=0.0), tally, lambda: {"spans": 7})
    for slots in (10, 10, 25):
        pulse.engine(Stats(running=2, waiting=1, slots=slots, steps=5, busy=1.5, cache_use=0.5, restarts=0))
    pulse.queue(Backlog(queued=3, running=1, work_ms=4500, oldest=1_000), 3_500)
    tally.drop("spans", "full", 4)
    pulse.process()
    pulse.process()

    told = samples(page(meters))
    assert told["equerry_engine_slots_total", ()] == 25
    assert told["equerry_engine_cache_use_ratio", ()] == 0.5
    assert (told["equerry_jobs_work_seconds", ()], told["equerry_jobs_oldest_seconds", ()]) == (4.5, 2.5)
    assert told["equerry_telemetry_dropped_total", (("cause", "full"), ("signal", "spans"))] == 4
    assert told["equerry_telemetry_queue", (("signal", "spans"),)] == 7


async def asked(app, method, path):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.request(method, path)


def test_operators_are_answered_and_nothing_else_is_there(meters):
    missing = ["the rules"]

    async def ready():
        return missing[0]

    app = Operations(ready, lambda: families(meters.read()))
    ask = lambda method, path: asyncio.run(asked(app, method, path))  # noqa: E731 - said once, used eight times

    assert ask("GET", "/livez").json() == {"live": True}
    assert (ask("GET", "/readyz").status_code, ask("GET", "/readyz").json()["missing"]) == (503, "the rules")
    missing[0] = ""
    assert ask("GET", "/readyz").status_code == 200
    assert ask("GET", "/metrics").text.startswith("# HELP equerry_")
    assert ask("POST", "/metrics").status_code == 405
    assert ask("GET", "/v1/videos").status_code == 404
    assert asyncio.run(asked(Operations(ready, None), "GET", "/metrics")).status_code == 404
