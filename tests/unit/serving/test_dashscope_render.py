"""Standings become DashScope's tasks, and errors its errors."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from model.clip import Mode, Size
from serving import errors
from serving.desk import Page, Standing
from serving.dialects.dashscope.errors import error_response
from serving.dialects.dashscope.render import page, task, usage
from serving.jobs.job import Job, JobId, State, TenantId
from serving.wish import Wish

ID = JobId("5b0e9c1d4f7a4b7f9f7e2a0c6d1e8b33")
WISH = Wish(
    dialect="dashscope",
    model="happyhorse-1.1-t2v",
    mode=Mode.T2V,
    prompt="a",
    size=Size(1280, 720),
    seconds=15,
    seed=None,
)
JOB = Job(
    id=ID,
    tenant=TenantId("t1"),
    state=State.QUEUED,
    order="{}",
    priority=0,
    estimated_ms=1,
    chunks=4,
    chunks_done=0,
    fence=0,
    attempts=0,
    cancel_requested=False,
    created=1_795_255_200_120,
    started=None,
    finished=None,
    deadline=None,
    expires=None,
    result=None,
    error=None,
    error_text=None,
)


def standing(state=State.QUEUED, wish=WISH, **changes):
    return Standing(job=replace(JOB, state=state, **changes), wish=wish, place=None, eta_ms=None, url="https://h/v?s=1")


def test_a_pending_task_has_its_id_dashed_and_its_time_in_utc():
    assert task(standing(), "r1") == {
        "request_id": "r1",
        "output": {"task_id": str(UUID(ID)), "task_status": "PENDING", "submit_time": "2026-11-21 10:00:00.120"},
    }


def test_a_waiting_task_says_how_many_go_first_and_how_long_it_will_take():
    output = task(replace(standing(), place=3, eta_ms=9_000), "r1")["output"]

    assert (output["queue_position"], output["eta_ms"]) == (3, 9_000)


def test_a_finished_task_has_its_film_and_what_it_counts_for():
    done = task(standing(State.SUCCEEDED, started=1_795_255_201_004, finished=1_795_255_341_530), "r1")

    assert done["output"] == {
        "task_id": str(UUID(ID)),
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-21 10:00:00.120",
        "scheduled_time": "2026-11-21 10:00:01.004",
        "end_time": "2026-11-21 10:02:21.530",
        "orig_prompt": "a",
        "video_url": "https://h/v?s=1",
    }
    assert done["usage"] == {
        "duration": 15,
        "input_video_duration": 0,
        "output_video_duration": 15,
        "video_count": 1,
        "SR": 720,
        "ratio": "16:9",
    }


def test_a_failed_task_tells_inside_its_output_and_never_at_the_top():
    failed = task(standing(State.FAILED, error="moderation_blocked", error_text="No."), "r1")

    assert (failed["output"]["code"], failed["output"]["message"]) == ("DataInspectionFailed", "No.")
    assert "code" not in failed


def test_an_expired_task_is_unknown():
    assert task(standing(State.EXPIRED), "r1")["output"] == {"task_id": str(UUID(ID)), "task_status": "UNKNOWN"}


@pytest.mark.parametrize(
    ("model", "mode", "keys"),
    [
        (
            "happyhorse-1.1-i2v",
            Mode.I2V,
            {"duration", "input_video_duration", "output_video_duration", "video_count", "SR"},
        ),
        (
            "wan2.6-t2v",
            Mode.T2V,
            {"duration", "size", "input_video_duration", "output_video_duration", "video_count", "SR"},
        ),
        ("wan2.6-i2v", Mode.I2V, {"duration", "SR", "video_count"}),
        ("wan2.6-i2v-flash", Mode.I2V, {"duration", "SR", "video_count", "audio"}),
        ("wan2.5-i2v-preview", Mode.I2V, {"duration", "SR", "video_count"}),
        ("wan2.5-t2v-preview", Mode.T2V, {"video_duration", "video_ratio", "video_count"}),
        (
            "wan2.7-t2v",
            Mode.T2V,
            {"duration", "input_video_duration", "output_video_duration", "video_count", "SR", "ratio"},
        ),
    ],
)
def test_usage_has_its_familys_shape(model, mode, keys):
    assert set(usage(standing(State.SUCCEEDED, replace(WISH, model=model, mode=mode)))) == keys


def test_an_edit_counts_what_came_in_and_what_went_out():
    wish = replace(WISH, model="happyhorse-1.0-video-edit", mode=Mode.EDIT)
    told = usage(standing(State.SUCCEEDED, wish, result='{"seconds": 3.5, "source_seconds": 4.25}'))

    assert (told["duration"], told["input_video_duration"], told["output_video_duration"]) == (7.75, 4.25, 3.5)


def test_a_list_has_both_spellings_and_text_for_times_where_the_newest_client_reads():
    shown = page(
        Page(jobs=(standing(State.SUCCEEDED, finished=1_795_255_341_530),), more=True, total=21), 2, 10, "r", "eu"
    )

    assert (shown["total"], shown["total_page"], shown["page_no"]) == (21, 3, 2)
    assert shown["data"][0]["gmt_create"] == 1_795_255_200_120
    assert shown["tasks"][0]["end_time"] == "2026-11-21 10:02:21.530"
    assert shown["data"][0]["task_id"] == shown["tasks"][0]["task_id"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Unauthenticated("x"), 401, "InvalidApiKey"),
        (errors.Forbidden("x"), 403, "AccessDenied"),
        (errors.UnknownModel("x"), 404, "ModelNotFound"),
        (errors.BadMedia("f", "x"), 400, "InvalidParameter"),
        (errors.TooLarge("x"), 413, "BadRequest.TooLarge"),
        (errors.NotPossible("x"), 400, "UnsupportedOperation"),
        (errors.Blocked("x"), 400, "DataInspectionFailed"),
        (errors.Limited("x", 3), 429, "Throttling.RateQuota"),
        (errors.Limited("x", 3, quota=True), 429, "Throttling.AllocationQuota"),
        (errors.Unavailable("x"), 503, "ServiceUnavailable"),
        (errors.Broken("secret"), 500, "InternalError"),
    ],
)
def test_each_error_has_its_status_and_code(error, status, code):
    found, headers, body = error_response(error, "/api/v1/tasks", "r1")
    told = json.loads(body)

    assert (found, told["code"], told["request_id"]) == (status, code, "r1")
    assert headers["content-type"] == "application/json"
    assert "secret" not in told["message"]
