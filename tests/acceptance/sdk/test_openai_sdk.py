"""The unmodified `openai` client makes, finds, changes and fetches films by changing its base URL and its key."""

from __future__ import annotations

import base64
import os
import time
from fractions import Fraction

import pytest

from model.clip import Size
from model.media import read_film
from serving.jobs.job import JobId, State, TenantId
from serving.jobs.records import Parcel
from serving.jobs.webhooks import body_of, headers_of

VERSIONS = ("2.2.0", "2.15.0", "2.54.0", "newest")
pytestmark = pytest.mark.slow


def event():
    """A signed notice of a finished film, as a webhook's receiver gets it."""
    key, seconds = os.urandom(32), int(time.time())
    told = Parcel(
        event="evt_1",
        job=JobId("0" * 32),
        tenant=TenantId("t-1"),
        state=State.SUCCEEDED,
        address="https://a.example/",
        at=1_000 * seconds,
        tries=1,
    )
    body = body_of(told)
    headers = headers_of(told, key, seconds, body)
    return {"body": body.decode(), "headers": headers, "secret": "whsec_" + base64.b64encode(key).decode()}


@pytest.fixture(scope="module", params=VERSIONS)
def both(request, drive):
    """What one version saw, sync and async."""
    return drive("openai", request.param, event=event())["rounds"]


@pytest.fixture(params=["sync", "async"])
def seen(request, both):
    assert "broke" not in both[request.param], both[request.param].get("broke")
    return both[request.param]


def there(step):
    """A step's outcome; skips what needs a tenant that the cell under test does not have."""
    if "absent" in step:
        pytest.skip(f"this cell has no tenant that is {step['absent']}")
    return step


def raised(step, kind, status, code):
    assert (step.get("raised"), step.get("status"), step.get("code")) == (kind, status, code), step
    assert step["request_id"]


def test_a_sentence_becomes_a_completed_video(seen):
    video = seen["text_to_video"]

    assert {"object": "video", "status": "completed", "progress": 100, "error": None}.items() <= video.items()
    assert (video["seconds"], video["size"], video["model"]) == ("4", "64x64", "sora-2")
    assert video["completed_at"] >= video["created_at"]
    assert video["expires_at"] > video["completed_at"]
    assert seen["retrieve"] == video


def test_the_client_polls_as_the_server_says_and_extensions_arrive(seen):
    assert (seen["own_interval"]["status"], seen["own_interval"]["seed"]) == ("completed", 7)
    assert seen["own_interval"]["seconds"] == "2"


def test_one_picture_is_a_first_frame_whether_it_has_a_name_or_not(seen):
    assert seen["image_to_video"]["bytes"]["status"] == "completed", seen["image_to_video"]
    assert seen["image_to_video"]["named"]["status"] == "completed"
    assert seen["by_data_uri"]["object"] == "video", seen["by_data_uri"]
    assert seen["by_file_id"]["file"]["object"] == "file", seen["by_file_id"]


def test_two_pictures_are_references(seen):
    assert seen["references"]["status"] == "completed", seen["references"]


def test_a_list_runs_through_its_pages_backwards(seen):
    ids = seen["listing"]["ids"]

    assert len(ids) == len(set(ids)) >= 6
    assert seen["text_to_video"]["id"] in ids
    assert seen["listing"]["has_more"] is True


def test_the_film_is_an_mp4_of_the_exact_size_and_length(seen):
    download = seen["download"]
    film = read_film(bytes.fromhex(download["hex"]), fps=Fraction(8), rate=8_000)

    assert (film.size, film.seconds) == (Size(64, 64), 4.0)
    assert abs(len(film.sound) / film.rate - film.seconds) < 0.1
    assert (download["type"], download["encoding"]) == ("video/mp4", None)
    assert int(download["length"]) == len(download["hex"]) // 2 == seen["streamed"]
    assert (download["status_of_part"], download["part"]) == (206, download["hex"][20:40])
    assert download["thumbnail"] == "image/webp"


def test_a_remix_follows_its_source(seen):
    remix = seen["remix"]

    assert (remix["status"], remix["size"], remix["seconds"]) == ("completed", "64x64", "4"), remix
    assert remix["remixed_from_video_id"] == seen["text_to_video"]["id"]


def test_films_are_edited_and_continued(seen):
    if "edit" not in seen:
        pytest.skip("this version of the client has no edits")

    assert (seen["edit"]["file"]["status"], seen["edit"]["file"]["seconds"]) == ("completed", "4"), seen["edit"]
    assert seen["edit"]["id"]["remixed_from_video_id"] == seen["text_to_video"]["id"]
    assert (seen["extend"]["status"], seen["extend"]["seconds"]) == ("completed", "8"), seen["extend"]


def test_models_are_listed(seen):
    assert "sora-2" in seen["models"]["ids"]
    assert seen["models"]["one"] == "sora-2"


@pytest.mark.parametrize(
    ("step", "kind", "status", "code"),
    [
        ("no_key", "AuthenticationError", 401, "invalid_api_key"),
        ("no_prompt", "BadRequestError", 400, "missing_required_parameter"),
        ("bad_seconds", "BadRequestError", 400, "invalid_value"),
        ("bad_size", "BadRequestError", 400, "invalid_value"),
        ("bad_model", "NotFoundError", 404, "model_not_found"),
        ("bad_media", "BadRequestError", 400, "invalid_media"),
        ("not_allowed", "PermissionDeniedError", 403, "model_not_allowed"),
        ("quota", "RateLimitError", 429, "insufficient_quota"),
        ("rate", "RateLimitError", 429, "rate_limit_exceeded"),
        ("blocked", "BadRequestError", 400, "moderation_blocked"),
        ("unknown", "NotFoundError", 404, "video_not_found"),
        ("bad_variant", "BadRequestError", 400, "invalid_value"),
        ("held", "NotFoundError", 404, "video_not_ready"),
        ("foreign", "NotFoundError", 404, "video_not_found"),
        ("foreign_delete", "NotFoundError", 404, "video_not_found"),
        ("deleted", "NotFoundError", 404, "video_not_found"),
    ],
)
def test_each_refusal_is_the_exception_that_the_client_has_for_it(seen, step, kind, status, code):
    raised(there(seen[step]), kind, status, code)


def test_errors_name_the_field(seen):
    assert [seen[step]["param"] for step in ("no_prompt", "bad_seconds", "bad_size")] == ["prompt", "seconds", "size"]


def test_a_film_that_cannot_be_made_says_why(seen):
    assert there(seen["failed"])["status"] == "failed", seen["failed"]
    assert seen["failed"]["error"]["code"] == "moderation_blocked"


def test_a_deletion_says_so(seen):
    assert seen["delete"]["deleted"] is True
    assert seen["delete"]["object"] == "video.deleted"


def test_a_webhook_is_believed(seen):
    if "webhook" not in seen:
        pytest.skip("this version of the client has no webhooks")

    assert (seen["webhook"]["type"], seen["webhook"]["data"]) == ("video.completed", {"id": "video_" + "0" * 32})
