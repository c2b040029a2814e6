"""Objects in a bucket: what holds for a folder, on an S3 server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the S3 server of the test requirements is not installed")

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from serving.errors import Broken, Conflict, TooLarge, Unavailable
from serving.media.store import WHOLE, Stored, key, open_objects

NAME = key("t-1", "films", "a.mp4")
LONG = os.urandom(1 << 20) * 11  # beyond one request
TOMORROW = timedelta(days=1)


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, request):
    name = f"films-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    call(f"{server}/{name}", "PUT")
    return name


def call(address, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(address, method=method)) as answer:
        return answer.read()


def options(server, **more):
    given = {"aws_endpoint": server, "aws_region": "us-east-1", "client_allow_http": "true"}
    return given | {"aws_access_key_id": "id", "aws_secret_access_key": "secret"} | more


@pytest.fixture
def objects(server, bucket):
    return open_objects(f"s3://{bucket}/cell", options(server))


def run(awaitable):
    return asyncio.run(awaitable)


async def pieces(body, size=700_001):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def breaking(body):
    async for piece in pieces(body):
        yield piece
    raise ConnectionResetError("the client went away")


async def all_of(parts):
    return [each async for each in parts]


def listed(objects):
    return sorted(each.key for each in run(all_of(objects.older(datetime.now(UTC) + TOMORROW))))


@pytest.mark.parametrize("body", [b"", b"a", LONG], ids=len)
@pytest.mark.parametrize("how", ["whole", "stream"])
def test_what_was_put_is_read(objects, body, how):
    stored = run(objects.put(NAME, body) if how == "whole" else objects.put_stream(NAME, pieces(body), most=1 << 30))

    assert stored == Stored(NAME, len(body), hashlib.sha256(body).hexdigest())
    assert run(objects.get(stored)) == body
    assert b"".join(run(all_of(objects.read(NAME, len(body) // 3, len(body))))) == body[len(body) // 3 :]
    assert listed(objects) == [NAME]


@pytest.mark.parametrize("body", [b"one", LONG], ids=len)
def test_a_name_keeps_its_first_content(objects, body):
    first = run(objects.put_stream(NAME, pieces(body), most=1 << 30))

    assert run(objects.put_stream(NAME, pieces(body), most=1 << 30)) == first
    with pytest.raises(Conflict):
        run(objects.put_stream(NAME, pieces(body[::-1]), most=1 << 30))
    assert run(objects.get(first)) == body
    assert listed(objects) == [NAME]


# Two writers at once are not tried here: this server on loopback looks and copies in two steps, a bucket in one.


def test_a_stream_that_breaks_off_leaves_neither_object_nor_unfinished_upload(objects, server, bucket):
    with pytest.raises(ConnectionResetError):
        run(objects.put_stream(NAME, breaking(LONG), most=1 << 30))
    with pytest.raises(TooLarge):
        run(objects.put_stream(NAME, pieces(LONG), most=WHOLE + 1))

    assert listed(objects) == []
    assert b"<Upload>" not in call(f"{server}/{bucket}?uploads")


def test_an_object_that_is_gone_is_our_fault_and_deleting_it_again_is_none(objects):
    stored = run(objects.put(NAME, b"x"))
    for _ in range(2):
        run(objects.delete(NAME))

    assert run(objects.size(NAME)) is None
    with pytest.raises(Broken, match="not in the store"):
        run(objects.get(stored))


def test_encryption_is_asked_for_as_the_settings_say(server, bucket):
    objects = open_objects(f"s3://{bucket}", options(server, aws_server_side_encryption="AES256"))
    run(objects.put(NAME, b"x"))

    kept: Any = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, NAME)

    assert kept.encryption == "AES256"


@pytest.mark.parametrize("where", ["no such bucket", "no server"])
def test_a_store_that_does_not_answer_is_unavailable_and_its_words_stay_inside(server, where):
    place = {"aws_endpoint": "http://127.0.0.1:1"} if where == "no server" else {}
    objects = open_objects("s3://no-such-bucket-here", options(server) | place)

    with pytest.raises(Unavailable) as unavailable:
        run(objects.put(NAME, b"x"))
    assert "secret" not in json.dumps(str(unavailable.value))


def test_an_option_that_the_store_does_not_know_is_said_so(server):
    with pytest.raises(Unavailable, match="settings"):
        open_objects("s3://bucket", options(server, aws_nonsense="1"))
