"""The doors of all dialects, without a network: who may open them, and what an error looks like behind them."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest
from starlette.exceptions import HTTPException

from serving.desk import Caller
from serving.dialects.answers import Shell, error_response, in_our_words
from serving.dialects.app import application, described
from serving.dialects.caller import CALLER
from serving.dialects.forms import Bounds
from serving.dialects.grants import Grant, Hmac
from serving.dialects.origin import Origin
from serving.errors import Broken, TooLarge, TooSlow, UnknownJob, WrongMethod

ORIGIN = Origin("https://cell.example")


class Nobody:
    """A desk that fails at whatever is asked of it."""

    def __getattr__(self, name):
        raise RuntimeError("a prompt that must not leave")


def doors(**more):
    return application(
        Nobody(), ORIGIN, signer=Hmac([b"k" * 32]), now=lambda: 0, new_id=lambda: "0" * 32, region="eu-par", **more
    )


def as_caller(app):
    async def gate(scope, receive, send):
        scope[CALLER] = Caller(tenant="t1", key="k-1", data_class="internal", decision="d")
        await app(scope, receive, send)

    return gate


def ask(app, method, path, **more):
    async def once():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://elsewhere.example") as client:
            return await client.request(method, path, **more)

    return asyncio.run(once())


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/jobs", "/api/v1/tasks", "/v1/models", "/api/v1/uploads"])
def test_without_a_caller_nothing_opens(path):
    assert ask(doors(), "GET", path).status_code == 401


def test_a_failure_is_told_in_the_dialects_shape_and_its_text_stays_inside():
    answers = [ask(as_caller(doors()), "GET", path) for path in ("/v1/videos", "/v1/jobs", "/api/v1/tasks")]

    assert [each.status_code for each in answers] == [500, 500, 500]
    assert not [each for each in answers if "prompt" in each.text]
    assert [sorted(each.json())[0] for each in answers] == ["error", "code", "code"]


MAKERS = ("/v1/videos", "/v1/jobs", "/api/v1/services/aigc/video-generation/video-synthesis")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", [*MAKERS, "/v1/files"])
def test_a_client_that_hangs_up_in_its_body_has_not_found_a_failure_of_ours(path, kind, caplog):
    """The gate bounds what a tenant writes into the log and gets no film for; our own failures do not count there."""
    parts, told = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}, {"type": "http.disconnect"}], []

    async def receive():
        return parts.pop(0)

    async def send(message):
        told.append(message.get("status"))

    headers = [(b"content-type", kind.encode()), (b"x-dashscope-async", b"enable")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"filename=a.png"}
    asyncio.run(as_caller(doors())(scope, receive, send))

    assert told[0] == 400
    assert not caplog.records


def test_a_body_that_does_not_come_is_refused_in_each_dialects_words():
    answers = [error_response(TooSlow("Too slow."), path) for path in MAKERS]

    assert [status for status, _, _ in answers] == [408, 408, 408]
    assert [
        word in body
        for (*_, body), word in zip(answers, (b"request_timeout", b"too_slow", b"RequestTimeOut"), strict=True)
    ] == [True] * 3


def test_a_body_beyond_its_bound_is_refused_in_each_dialect_whether_it_says_its_length_or_not():
    app = as_caller(doors(bounds=Bounds(body=1_000)))

    async def endless():
        while True:
            yield b" " * 500

    for path in ("/v1/videos", "/v1/jobs", "/api/v1/services/aigc/video-generation/video-synthesis"):
        headers = {"x-dashscope-async": "enable", "content-type": "application/json"}
        for body in (b" " * 1_001, endless()):
            assert ask(app, "POST", path, content=body, headers=headers).status_code == 413
    assert ask(app, "POST", "/v1/videos", files={"a": b" " * 2_000}).status_code == 413


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "utf-16", '"punycode"', ""])
def test_a_form_in_a_coding_that_its_sender_chooses_is_refused_before_it_is_decoded(charset):
    """Some codings take the square of a part's length, on the loop that all other requests wait for."""
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"a" * 200_000 + b"\r\n--x--\r\n"

    began = time.process_time()
    answer = ask(as_caller(doors()), "POST", "/v1/videos", content=body, headers=kind)

    assert (answer.status_code, "UTF-8" in answer.text) == (400, True)
    assert time.process_time() - began < 5  # seconds; punycode takes three times as long


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii", '"utf-8"'])
def test_a_form_may_say_that_it_is_plain(charset):
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    body = b'--x\r\nContent-Disposition: form-data; name="seconds"\r\n\r\nmany\r\n--x--\r\n'

    assert "seconds" in ask(as_caller(doors()), "POST", "/v1/videos", content=body, headers=kind).text


def test_a_grant_ends_with_its_tenant():
    """It needs no key, so nothing but the door can see that the account was closed meanwhile."""
    caller = Caller(tenant="t1", key="k-1", data_class="internal", decision="d")
    grant = Grant(caller=caller, folder="f", most=1_000, expires=10)
    token = grant.token(Hmac([b"k" * 32]))

    closed, still = (
        ask(doors(still=open_.__contains__), "POST", f"/api/v1/uploads/oss/{token}", files={"x": b"x"})
        for open_ in ({"t2"}, {"t1"})
    )

    assert (closed.status_code, "closed" in closed.text, "closed" in still.text) == (403, True, False)


def test_the_prefix_of_a_path_chooses_the_shape():
    shapes = {
        path: set(json.loads(error_response(UnknownJob("x"), path, "r")[2]))
        for path in ("/v1/x", "/api/x", "/v1/jobs/x", "/x")
    }

    assert shapes["/v1/x"] == {"error"}
    assert shapes["/api/x"] == {"request_id", "code", "message"}
    assert shapes["/v1/jobs/x"] == shapes["/x"] >= {"type", "title", "status", "detail"}


def test_the_frameworks_errors_become_ours():
    assert isinstance(in_our_words(HTTPException(413)), TooLarge)
    assert isinstance(in_our_words(HTTPException(405, headers={"Allow": "GET"})), WrongMethod)
    assert str(in_our_words(ValueError("a prompt"))) == str(Broken("Something went wrong on our side."))


def test_an_answer_that_breaks_off_is_seen_to_break_off():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a prompt")

    async def heard(message):
        sent.append(message["type"])

    async def nothing():
        return {"type": "http.request"}

    sent: list[str] = []
    with pytest.raises(Broken):
        asyncio.run(Shell(half)({"type": "http", "path": "/v1/x"}, nothing, heard))
    assert sent == ["http.response.start"]


def test_the_description_is_openapi_3_1_with_examples_and_addresses_in_the_cell():
    told = described(doors())

    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": ORIGIN.text}]
    assert set(told["paths"]) == {
        *("/v1/jobs", "/v1/jobs/uploads", "/v1/jobs/{job}", "/v1/jobs/{job}/cancel"),
        *("/v1/jobs/{job}/events", "/v1/jobs/{job}/preview", "/v1/jobs/{job}/content"),
    }
    assert told["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]["examples"]
    assert "$defs" not in json.dumps(told)
