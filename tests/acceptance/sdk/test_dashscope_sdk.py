"""The unmodified `dashscope` clients make, find, cancel and fetch films by changing their base URL and their key."""

from __future__ import annotations

from fractions import Fraction

import pytest

from model.clip import Size
from model.media import read_film

VERSIONS = ("1.24.6", "1.27.8", "newest")
pytestmark = pytest.mark.slow


def there(step):
    """A step's outcome; skips what needs a tenant that the cell under test does not have."""
    if "absent" in step:
        pytest.skip(f"this cell has no tenant that is {step['absent']}")
    return step


@pytest.fixture(scope="module", params=VERSIONS)
def every(request, drive):
    """What each client of one version saw."""
    return drive("dashscope", request.param)["rounds"]


@pytest.fixture(params=["v1", "aio"])
def seen(request, every):
    return every[request.param]


@pytest.fixture(params=["v2", "v2async"])
def newer(request, every):
    if request.param not in every:
        pytest.skip("this version has no such client")
    return every[request.param]


def test_a_sentence_becomes_a_film_that_opens_without_a_key(seen):
    answer = seen["text"].get("answer")
    assert answer, seen["text"]
    output, film = answer["output"], seen["text"]["film"]

    assert (answer["status_code"], output["task_status"]) == (200, "SUCCEEDED")
    assert output["orig_prompt"] == "a red ball"
    assert answer["usage"]["SR"] == 480
    assert (film["type"], film["part"]) == ("video/mp4", 206)
    made = read_film(bytes.fromhex(film["hex"]), fps=Fraction(8), rate=8_000)
    assert (made.size, made.seconds) == (Size(64, 64), 3.0)


def test_a_task_is_waited_for_by_its_answer(seen):
    assert seen["named"].get("task"), seen["named"]
    assert seen["named"]["task"]["output"]["task_status"] in ("PENDING", "RUNNING")
    assert seen["named"]["waited"]["output"]["task_status"] == "SUCCEEDED"
    assert seen["named"]["waited"]["output"] == seen["named"]["fetched"]["output"]


def test_a_local_picture_is_uploaded_into_the_cell(seen):
    assert seen["local"].get("output"), seen["local"]
    assert seen["local"]["output"]["task_status"] == "SUCCEEDED"


def test_a_waiting_task_is_cancelled_once(seen):
    held = there(seen["held"])

    assert held.get("pending"), held
    assert held["pending"]["output"]["task_status"] == "PENDING"
    assert held["cancel"]["status_code"] == 200
    assert held["after"]["output"]["task_status"] == "CANCELED"
    assert (held["again"]["status_code"], held["again"]["code"]) == (400, "UnsupportedOperation")


def test_a_list_has_pages(seen):
    listed = seen["listed"]

    assert (listed["output"]["page_size"], len(listed["output"]["data"])) == (2, 2), listed
    assert listed["output"]["total"] >= 3


def test_anothers_task_is_unknown(seen):
    assert seen["foreign"]["output"]["task_status"] == "UNKNOWN"
    assert seen["foreign_cancel"]["code"] == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        ("no_key", 401, "InvalidApiKey"),
        ("bad_model", 404, "ModelNotFound"),
        ("bad_duration", 400, "InvalidParameter"),
        ("no_media", 400, "InvalidParameter"),
        ("blocked", 400, "DataInspectionFailed"),
        ("not_allowed", 403, "AccessDenied"),
        ("quota", 429, "Throttling.AllocationQuota"),
    ],
)
def test_each_refusal_has_its_code(seen, step, status, code):
    assert (there(seen[step]).get("status_code"), seen[step].get("code")) == (status, code), seen[step]
    assert seen[step]["message"]


def test_a_film_that_cannot_be_made_says_why_with_status_200(seen):
    output = there(seen["failed"])["output"]

    assert (seen["failed"]["status_code"], output["task_status"]) == (200, "FAILED"), seen["failed"]
    assert output["code"] == "DataInspectionFailed"


def test_the_newest_client_makes_uploads_lists_and_cancels(newer):
    assert "raised" not in newer["generate"], newer["generate"]
    assert "raised" not in newer["local"], newer["local"]
    assert "raised" not in newer["listed"], newer["listed"]
    if "absent" not in newer["held"]:
        assert "CANCELED" in str(newer["held"]).upper(), newer["held"]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("no_key", "AuthenticationError"),
        ("bad_model", "NotFoundError"),
        ("bad_duration", "BadRequestError"),
        ("blocked", "ContentFilterError"),
        ("not_allowed", "PermissionDeniedError"),
        ("quota", "RateLimitError"),
    ],
)
def test_the_newest_client_raises_what_it_has_for_each_refusal(newer, step, kind):
    assert there(newer[step]).get("raised") == kind, newer[step]
