"""Bills, limits, promises and erasure of a running cell, as its operator and its clients meet them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.acceptance.test_cell import Cell, made

pytestmark = pytest.mark.slow

MONTH = f"{datetime.now(UTC):%Y-%m}"
ASKED = {"prompt": "a red circle bounces on a black background", "size": "64x64", "seed": 3}
DASHSCOPE = "/api/v1/services/aigc/video-generation/video-synthesis"
PATIENCE_S = 300  # on a busy machine


def meter(cell: Cell, command: str, *arguments: object, code: int = 0) -> str:
    told = [sys.executable, "-m", "equerry", "meter", command, "--cell", str(cell.folder), *map(str, arguments)]
    done = subprocess.run(told, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "160"})
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Iterator[Cell]:
    made_one = made(tmp_path_factory.mktemp("meter") / "eu", "eu-par", "FR", "jp-tyo,JP,Tokyo")
    try:
        made_one.up()
        yield made_one
    finally:
        if made_one.process is not None:
            made_one.process.kill()
            made_one.process.wait(30)


def post(cell: Cell, path: str, body: object, **headers: str) -> httpx.Response:
    with httpx.Client(base_url=cell.url, timeout=PATIENCE_S) as client:
        return client.post(path, json=body, headers={"authorization": f"Bearer {cell.key}", **headers})


@pytest.fixture(scope="module")
def film(cell) -> str:
    """A film that was made, asked for twice under one key."""
    first, again = (post(cell, "/v1/videos", {**ASKED, "seconds": "2"}, **{"idempotency-key": "one"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    told = first.json()
    assert told["eta_ms"] > 0
    assert cell.finished(told["id"], PATIENCE_S)["status"] == "completed"
    return str(told["id"]).removeprefix("video_")


def test_a_film_is_billed_once_and_every_form_of_the_statement_says_so(cell, film):
    told = [cell.tenant, "--month", MONTH, "--format"]
    whole = json.loads(meter(cell, "statement", "--tenant", *told, "json"))
    rows = list(csv.DictReader(io.StringIO(meter(cell, "statement", "--tenant", *told, "csv"))))

    assert [line["job"] for line in whole["lines"]] == [film]
    assert whole["totals"] == [{"amount": 12, "currency": "EUR"}]
    assert [(row["job"], row["amount"]) for row in rows] == [(film, "12"), ("total", "12")]
    assert film in meter(cell, "statement", "--tenant", *told, "html")
    assert "owes 0.12 EUR" in meter(cell, "statement", "--tenant", *told, "table")


def test_bills_fit_the_jobs_and_the_residency_log(cell, film):
    found = json.loads(meter(cell, "reconcile", "--month", MONTH, "--json"))

    assert (found["delivered"], found["billed"], found["logged"], found["findings"]) == (1, 1, 1, [])


def test_what_a_film_took_stands_beside_what_it_brought(cell, film):
    (row,) = json.loads(meter(cell, "cost", "--month", MONTH, "--json"))

    assert row["engine_seconds"] > 0
    assert row["studio_seconds"] >= row["engine_seconds"] * 0.5
    assert (row["income"], row["cost"]) == (12, None)


def test_a_month_whose_hour_is_not_over_has_no_report_yet(cell, film):
    found = json.loads(meter(cell, "sla-report", "--tenant", cell.tenant, "--month", MONTH, "--json"))

    assert (found["service"], found["credits"]) == ("standard", [])


def test_a_limit_is_refused_in_each_dialects_own_shape(cell, film):
    meter(cell, "limit", "--tenant", cell.tenant, "--spend", 12)
    time.sleep(2.5)  # gateways look every two seconds
    native = post(cell, "/v1/jobs", {"prompt": "x", "seconds": 1, "size": "64x64"})
    openai = post(cell, "/v1/videos", {**ASKED, "seconds": "2"})
    wanted = {"model": "wan2.6-t2v", "input": {"prompt": "x"}, "parameters": {"size": "1280*720", "duration": 5}}
    dashscope = post(cell, DASHSCOPE, wanted, **{"x-dashscope-async": "enable"})
    meter(cell, "limit", "--tenant", cell.tenant, "--clear")

    assert [each.status_code for each in (native, openai, dashscope)] == [429, 429, 429]
    assert all(int(each.headers["retry-after"]) > 0 for each in (native, openai, dashscope))
    assert native.json()["code"] == "quota"
    assert openai.json()["error"]["code"] == "insufficient_quota"
    assert dashscope.json()["code"] == "Throttling.AllocationQuota"


def test_what_is_wrong_with_a_command_is_said_in_a_sentence(cell, film):
    meter(cell, "statement", "--tenant", cell.tenant, "--month", "November", code=2)
    meter(cell, "statement", "--tenant", cell.tenant, "--month", MONTH, "--format", "pdf", code=2)


def test_erasure_leaves_no_film_and_is_proven_by_an_entry_of_the_log(cell, film):
    (done,) = json.loads(meter(cell, "erase", "--tenant", cell.tenant, "--yes", "--wait", PATIENCE_S, "--json"))
    told = json.loads(meter(cell, "statement", "--tenant", cell.tenant, "--month", MONTH, "--format", "json"))

    assert done["proof"]["entry"] > 0
    assert not any((cell.folder / "state" / "objects" / cell.tenant).rglob("*.mp4"))
    assert [line["job"] for line in told["lines"]] == [film]
    with cell.client() as client:
        assert client.get(f"/v1/videos/video_{film}").status_code == 404
    assert cell.verified() == []
