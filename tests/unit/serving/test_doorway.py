"""A path leads to its door whatever the method, and to the framework when it has none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from serving.desk import Caller
from serving.dialects.caller import CALLER
from serving.dialects.doorway import Door, Doorway
from serving.errors import Unauthenticated

CALLED = Caller(tenant="t-1", key="k", data_class="personal", decision="")
WORDS = some.text("abcdefgh_0123456789-. é", min_size=1, max_size=12)


def door(path: str, methods: str, name: str, **more: Any) -> Door:
    async def opens(request: Request) -> Response:
        return PlainTextResponse(f"{name} {dict(request.path_params)}")

    return Door.at(path, methods, opens, **more)


DOORS = (
    door("/v1/videos", "POST", "create"),
    door("/v1/videos", "GET", "list"),
    door("/v1/videos/edits", "POST", "edit"),
    door("/v1/videos/{video}", "GET", "show"),
    door("/v1/videos/{video}", "DELETE", "drop"),
    door("/v1/videos/{video}/content", "GET", "content"),
    door("/up/{grant}", "POST", "leave", keyed=False),
)


def knock(method: str, path: str, caller: Caller | None = CALLED) -> str:
    said: list[bytes] = []

    async def beyond(_scope: Any, _receive: Any, _send: Any) -> None:
        said.append(b"beyond")

    async def send(message: Any) -> None:
        said.append(message.get("body", b""))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": [], CALLER: caller}
    asyncio.run(Doorway(DOORS, beyond)(scope, receive, send))
    return b"".join(said).decode()


@given(WORDS)
def test_a_segment_in_brackets_takes_any_word_and_names_it(word):
    assert knock("GET", f"/v1/videos/{word}/content") == f"content { {'video': word} }"


@given(WORDS, some.sampled_from(["", "/"]))
def test_a_slash_at_the_end_changes_nothing(word, slash):
    assert knock("DELETE", f"/v1/videos/{word}{slash}") == f"drop { {'video': word} }"


@pytest.mark.parametrize(
    ("method", "path", "opened"),
    [
        ("POST", "/v1/videos", "create {}"),
        ("GET", "/v1/videos/", "list {}"),
        ("POST", "/v1/videos/edits", "edit {}"),
        ("GET", "/v1/videos/edits", "show {'video': 'edits'}"),
        ("HEAD", "/v1/videos/x", "show {'video': 'x'}"),
    ],
)
def test_the_first_door_that_fits_opens(method, path, opened):
    assert knock(method, path) == opened


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/videos//", "/v1/videos//content", "/v1/Videos", "/v2/videos", "/v1/videos/x/y"]
)
def test_what_has_no_door_goes_on(path):
    assert knock("GET", path) == "beyond"


def test_a_method_that_no_door_of_a_path_takes_is_told_which_are():
    with pytest.raises(HTTPException) as refused:
        knock("PATCH", "/v1/videos/x")

    assert (refused.value.status_code, refused.value.headers) == (405, {"Allow": "DELETE, GET, HEAD"})


def test_nobody_opens_a_door_without_having_passed_the_gate():
    with pytest.raises(Unauthenticated):
        knock("GET", "/v1/videos/x", caller=None)


def test_a_door_that_something_else_vouches_for_needs_no_caller():
    assert knock("POST", "/up/grant", caller=None) == "leave {'grant': 'grant'}"
