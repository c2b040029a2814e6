"""What no client covers, but some user will send."""

from __future__ import annotations

import base64
import time

import httpx
import pytest

from serving.dialects.grants import MOST_TOKEN

CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
ASYNC = {"X-DashScope-Async": "enable"}
SMALL = {"prompt": "a ball", "size": "64x64", "seconds": "2"}
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def as_(cell):
    """A client of one tenant."""
    clients = {
        name: httpx.Client(base_url=cell["url"], headers={"Authorization": f"Bearer {key}"}, timeout=300)
        for name, key in cell["keys"].items()
    }
    yield clients.__getitem__
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def acme(as_):
    return as_("acme")


def finished(client, identity):
    for _ in range(3_000):
        job = client.get(f"/v1/jobs/{identity}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError("The job did not end.")


@pytest.fixture(scope="module")
def film(acme):
    """Id of a finished film, 32 hexadecimal digits."""
    identity = acme.post("/v1/jobs", json={"prompt": "a ball", "size": "64x64", "seconds": 2}).json()["id"]
    assert finished(acme, identity)["state"] == "succeeded"
    return identity


def test_a_creation_without_the_async_header_is_denied(acme):
    answer = acme.post(CREATE, json={"model": "happyhorse-1.1-t2v", "input": {"prompt": "x"}})

    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")
    assert "synchronous" in answer.json()["message"]


def test_a_slash_at_the_end_is_no_redirect(acme, film):
    for path in (f"/api/v1/tasks/{film}/", "/api/v1/tasks/", "/v1/videos/", f"/v1/videos/video_{film}/"):
        assert acme.get(path, follow_redirects=False).status_code == 200


def test_an_idempotency_key_gives_the_same_film_twice_and_refuses_another_request(acme):
    headers = {"Idempotency-Key": f"key {time.time_ns()}"}
    first = acme.post("/v1/videos", json=SMALL, headers=headers).json()["id"]

    assert acme.post("/v1/videos", json=SMALL, headers=headers).json()["id"] == first
    other = acme.post("/v1/videos", json={**SMALL, "prompt": "another"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_conflict")


def test_a_retry_finds_its_first_attempt_and_a_repeat_does_not(acme, png):
    def ask(retries):
        parts = {"input_reference": ("a.png", png)}
        headers = {"x-stainless-retry-count": str(retries)}
        return acme.post("/v1/videos", data={**SMALL, "seed": "11"}, files=parts, headers=headers).json()["id"]

    first, again, repeat = ask(0), ask(1), ask(0)

    assert (again == first, repeat == first) == (True, False)


def test_a_data_uri_of_fifteen_megabytes_in_a_part_of_a_form_is_read(acme, png):
    uri = "data:image/png;base64," + base64.b64encode(png + b"\0" * 11_500_000).decode()

    answer = acme.post(
        "/v1/videos", files={"input_reference[image_url]": (None, uri), "prompt": (None, "go"), "size": (None, "64x64")}
    )

    assert (answer.status_code, len(uri) > 15_000_000) == (200, True), answer.text[:300]


@pytest.mark.parametrize(
    ("prefix", "shape"),
    [
        ("/v1", {"error"}),
        ("/api/v1", {"request_id", "code", "message"}),
        ("/v1/jobs", {"type", "title", "status", "detail", "code"}),
    ],
)
def test_errors_of_routing_and_parsing_have_the_dialects_shape(acme, prefix, shape):
    creates = {"/v1": "/v1/videos", "/api/v1": CREATE, "/v1/jobs": "/v1/jobs"}[prefix]
    headers = {**ASYNC, "content-type": "application/json"}
    answers = [
        acme.get(f"{prefix}/no/such/thing"),
        acme.put(creates),
        acme.post(creates, content=b"{half", headers=headers),
        acme.post(creates, content=b"[]", headers=headers),
        acme.post(creates, content=b"\xff\xfe", headers=headers),
        acme.post(creates, content=b"[" * 100_000, headers=headers),
    ]

    assert [each.status_code for each in answers] == [404, 405, 400, 400, 400, 400]
    for each in answers:
        assert shape <= set(each.json())
        assert each.headers["content-type"].startswith("application/")
        assert each.headers["x-request-id"]


def test_a_range_behind_the_end_is_416_and_others_work(acme, film):
    path = f"/v1/videos/video_{film}/content"
    whole = acme.get(path)

    assert acme.get(path, headers={"Range": "bytes=999999999-"}).status_code == 416
    part = acme.get(path, headers={"Range": "bytes=-10"})
    assert (part.status_code, part.content) == (206, whole.content[-10:])
    assert (
        part.headers["content-range"]
        == f"bytes {len(whole.content) - 10}-{len(whole.content) - 1}/{len(whole.content)}"
    )
    head = acme.head(path)
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    assert acme.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    stale = acme.get(path, headers={"Range": "bytes=0-1", "If-Range": '"old"'})
    assert (stale.status_code, stale.content) == (200, whole.content)


def test_another_tenant_is_blind_everywhere(as_, film):
    other, video = as_("other"), f"/v1/videos/video_{film}"

    def alike(method, path):
        """The answers for a foreign id and for one that never was, without the ids that were asked for."""
        return [
            (
                answer.status_code,
                {k: str(v).replace(film, NOBODY) for k, v in answer.json().items() if k != "request_id"},
            )
            for answer in (other.request(method, path), other.request(method, path.replace(film, NOBODY)))
        ]

    for method, path in (
        ("GET", video),
        ("GET", f"{video}/content"),
        ("DELETE", video),
        ("GET", f"/v1/jobs/{film}"),
        ("DELETE", f"/v1/jobs/{film}"),
        ("GET", f"/v1/jobs/{film}/content"),
        ("GET", f"/v1/jobs/{film}/events"),
        ("GET", f"/v1/jobs/{film}/preview"),
        ("POST", f"/v1/jobs/{film}/cancel"),
    ):
        foreign, never = alike(method, path)
        assert foreign == never, path
        assert foreign[0] == 404, path
    task = other.get(f"/api/v1/tasks/{film}").json()["output"]
    assert task == {"task_id": film, "task_status": "UNKNOWN"}
    assert other.post(f"/api/v1/tasks/{film}/cancel").json()["code"] == "UnsupportedOperation"
    assert other.post(f"{video}/remix", json={"prompt": "x"}).status_code == 404
    assert other.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": f"video_{film}"}}).status_code == 404
    listed = other.get("/v1/videos").text + other.get("/api/v1/tasks").text + other.get("/v1/jobs").text
    assert film not in listed


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://127.0.0.1:9/a.png", "http://[::1]/a.png", "http://0x7f.1/a.png"]
)
def test_an_address_within_the_house_is_never_fetched(acme, url):
    answer = acme.post("/v1/videos", json={**SMALL, "input_reference": {"image_url": url}})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_media")


def absolute(value):
    """Every address in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [url for each in value for url in absolute(each)]
    return [value] if isinstance(value, str) and "://" in value else []


def test_every_address_that_is_handed_out_points_into_the_cell(cell, acme, film):
    lying = {"Host": "evil.example"}
    answers = [
        acme.get(path, headers=lying).json()
        for path in (
            f"/api/v1/tasks/{film}",
            f"/v1/jobs/{film}",
            "/api/v1/uploads?action=getPolicy&model=m",
            "/v1/jobs?limit=1",
        )
    ]
    found = [url for each in answers for url in absolute(each)]

    assert len(found) >= 7
    assert all(url.startswith((cell["url"] + "/",)) for url in found), found


def left(client, name="a b.png", body=b"x", **changes):
    """A file left by form; the answer and its key."""
    told = client.get("/api/v1/uploads", params={"action": "getPolicy", "model": "m"}).json()["data"]
    form = {
        "OSSAccessKeyId": told["oss_access_key_id"],
        "Signature": told["signature"],
        "policy": told["policy"],
        "key": f"{told['upload_dir']}/{name}",
        "success_action_status": "200",
        **changes,
    }
    return httpx.post(told["upload_host"], data=form, files={"file": (name, body)}), form["key"]


def test_an_upload_serves_its_own_tenant_alone(as_, png):
    answer, key = left(as_("acme"), body=png)
    assert answer.status_code == 200, answer.text

    def ask(client):
        body = {
            "model": "happyhorse-1.1-i2v",
            "input": {"img_url": f"oss://{key}"},
            "parameters": {"duration": 3, "resolution": "480P"},
        }
        return client.post(CREATE, json=body, headers=ASYNC)

    assert ask(as_("acme")).status_code == 200
    foreign = ask(as_("other"))
    assert (foreign.status_code, foreign.json()["code"]) == (400, "InvalidParameter")


def test_an_upload_that_was_not_granted_is_denied(acme, cell):
    assert left(acme, policy="e30")[0].status_code == 403
    assert left(acme, key="dashscope-instant/other/2026-01-01/x/a.png")[0].status_code == 400
    assert left(acme, name="..")[0].status_code == 400
    for token in ("x", "a.b", "e30." + "A" * 43, "é.é", "A" * (MOST_TOKEN + 1)):
        assert httpx.post(f"{cell['url']}/api/v1/uploads/oss/{token}", files={"file": b"x"}).status_code == 403


def test_progress_comes_as_events_and_the_preview_as_fragments(acme):
    identity = acme.post("/v1/jobs", json={"prompt": "events", "size": "64x64", "seconds": 2}).json()["id"]

    with acme.stream("GET", f"/v1/jobs/{identity}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        names = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]

    assert names[-1] == "succeeded"
    assert names == sorted(names, key=("queued", "running", "succeeded").index)
    preview = acme.get(f"/v1/jobs/{identity}/preview")
    assert (preview.status_code, b"moof" in preview.content) == (200, True)


def test_a_link_with_a_changed_byte_or_none_opens_nothing(acme, film):
    url = acme.get(f"/v1/jobs/{film}").json()["film"]["url"]

    assert httpx.get(url).status_code == 200
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code in (403, 404)
    assert httpx.get(url.partition("?")[0]).status_code in (401, 403, 404)
