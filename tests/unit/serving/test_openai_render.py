"""Standings become OpenAI's objects, and errors its errors."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.clip import Mode, Size
from serving import errors
from serving.desk import Page, Standing
from serving.dialects.openai_videos.errors import error_response
from serving.dialects.openai_videos.render import page, poll_after, video
from serving.jobs.job import Job, JobId, State, TenantId
from serving.wish import Given, Role, Wish

ID = JobId("5b0e9c1d4f7a4b7f9f7e2a0c6d1e8b33")
WISH = Wish(dialect="openai", model="sora-2", mode=Mode.T2V, prompt="a tram", size=Size(1280, 720), seconds=8, seed=7)
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
    created=1_795_257_600_120,
    started=None,
    finished=None,
    deadline=None,
    expires=None,
    result=None,
    error=None,
    error_text=None,
)


def standing(state=State.QUEUED, wish=WISH, eta_ms=None, **changes):
    return Standing(job=replace(JOB, state=state, **changes), wish=wish, place=None, eta_ms=eta_ms, url=None)


def test_a_new_video_is_the_vendors_object():
    assert video(standing()) == {
        "id": f"video_{ID}",
        "object": "video",
        "created_at": 1_795_257_600,
        "completed_at": None,
        "expires_at": None,
        "model": "sora-2",
        "status": "queued",
        "progress": 0,
        "prompt": "a tram",
        "seconds": "8",
        "size": "1280x720",
        "remixed_from_video_id": None,
        "error": None,
        "has_audio": True,
        "seed": 7,
        "metadata": {},
    }


def test_a_waiting_video_says_how_many_go_first_and_how_long_it_will_take():
    waiting = video(replace(standing(eta_ms=9_000), place=3))

    assert (waiting["queue_position"], waiting["eta_ms"]) == (3, 9_000)
    assert "queue_position" not in video(standing(State.RUNNING, eta_ms=4_000))


def test_a_finished_video_has_the_size_and_length_that_were_made():
    shown = video(
        standing(
            State.SUCCEEDED,
            finished=1_795_257_741_000,
            expires=1_795_344_141_000,
            result='{"width": 64, "height": 48, "seconds": 3.5}',
        )
    )

    assert (shown["status"], shown["progress"], shown["size"], shown["seconds"]) == ("completed", 100, "64x48", "3.5")
    assert (shown["completed_at"], shown["expires_at"]) == (1_795_257_741, 1_795_344_141)


@pytest.mark.parametrize("state", list(State))
def test_only_the_vendors_four_statuses_are_ever_shown(state):
    shown = video(standing(state))

    assert shown["status"] in ("queued", "in_progress", "completed", "failed")
    assert isinstance(shown["progress"], int)
    assert isinstance(shown["seconds"], str)


def test_a_running_video_has_begun_and_a_cancelled_one_has_failed():
    assert video(standing(State.RUNNING))["progress"] == 1
    assert video(standing(State.RUNNING, chunks_done=3))["progress"] == 75
    assert video(standing(State.CANCELLED))["error"]["code"] == "canceled"
    failed = video(standing(State.FAILED, error="invalid_media", error_text="Too small."))
    assert failed["error"] == {"code": "invalid_media", "message": "Too small."}


def test_a_derived_video_names_its_source_and_what_was_ignored():
    source = Given(role=Role.SOURCE, field="video[id]", job="0" * 32)
    shown = video(standing(wish=replace(WISH, given=(source,), ignored=("fps",))))

    assert shown["remixed_from_video_id"] == "video_" + "0" * 32
    assert shown["warnings"] == ["fps means nothing here and was ignored."]


@pytest.mark.parametrize(("eta", "wait"), [(None, "1000"), (0, "250"), (60_000, "3000"), (10**9, "5000")])
def test_the_wait_between_two_looks_is_digits_within_bounds(eta, wait):
    assert poll_after(standing(State.RUNNING, eta_ms=eta)) == wait
    assert poll_after(standing(State.SUCCEEDED, eta_ms=eta)) is None


def test_an_empty_page_ends_the_pager():
    assert page(Page(jobs=(), more=False, total=0)) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (errors.Unauthenticated("x"), 401, "invalid_api_key", None),
        (errors.Forbidden("x"), 403, "model_not_allowed", "model"),
        (errors.WrongCell("x"), 421, "wrong_region", None),
        (errors.UnknownModel("x"), 404, "model_not_found", "model"),
        (errors.UnknownJob("x"), 404, "video_not_found", None),
        (errors.Missing("prompt", "x"), 400, "missing_required_parameter", "prompt"),
        (errors.BadType("seed", "x"), 400, "invalid_type", "seed"),
        (errors.BadMedia("video", "x"), 400, "invalid_media", "video"),
        (errors.TooLarge("x"), 413, "request_too_large", None),
        (errors.NotPossible("x"), 400, "invalid_state", None),
        (errors.NotReady("x"), 404, "video_not_ready", None),
        (errors.Expired("x"), 404, "video_expired", None),
        (errors.Conflict("x"), 400, "idempotency_conflict", None),
        (errors.Blocked("x"), 400, "moderation_blocked", None),
        (errors.Limited("x", 3), 429, "rate_limit_exceeded", None),
        (errors.Limited("x", 3, quota=True), 429, "insufficient_quota", None),
        (errors.StaleFence("x"), 503, "service_unavailable", None),
        (errors.Broken("secret"), 500, "internal_error", None),
    ],
)
def test_each_error_has_its_status_code_and_param(error, status, code, param):
    found, headers, body = error_response(error)
    told = json.loads(body)["error"]

    assert (found, told["code"], told["param"]) == (status, code, param)
    assert headers["content-type"] == "application/json"
    assert "secret" not in told["message"]


def test_nothing_that_a_client_can_fix_is_sent_again_by_the_client():
    every = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.Refused)]
    every.remove(errors.TooSlow)  # a body that stayed away may come the second time
    made = [kind("f", "x") if issubclass(kind, errors.BadField) else kind("x") for kind in every]

    assert len(made) > 10
    assert not [
        error for error in made if error_response(error)[0] in (408, 409, 429) or error_response(error)[0] >= 500
    ]


def test_a_limit_says_when_to_come_back_and_a_quota_that_waiting_is_no_use():
    assert error_response(errors.Limited("x", 3))[1]["retry-after"] == "3"
    assert error_response(errors.Limited("x", 3, quota=True))[1]["x-should-retry"] == "false"
