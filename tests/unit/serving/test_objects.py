"""Objects in a folder, plain and sealed: whole or not there, never changed, never another tenant's."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import Broken, Conflict, TooLarge, Unavailable
from serving.jobs.memory import MemoryStore
from serving.media.store import PIECE, WHOLE, Key, Stored, key, open_objects, tenant_of
from serving.sealed.keys import CellKey, Keyring
from serving.sealed.objects import SealedObjects

ROOT = Path(__file__).parents[3]
NAME = key("t-1", "films", "a.mp4")
LONG = os.urandom(1 << 20) * 10  # beyond one request
LATER = timedelta(days=1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "objects"


@pytest.fixture(params=["plain", "sealed"])
def objects(request, folder):
    plain = open_objects(f"file://{folder}")
    return plain if request.param == "plain" else SealedObjects(plain, keyring())


def keyring():
    store = MemoryStore(lambda: 0)
    return Keyring("eu-par", store, CellKey([b"k" * 32], os.urandom), draw=os.urandom, clock=lambda: 0)


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
    return sorted(each.key for each in run(all_of(objects.older(datetime.now(UTC) + LATER))))


@pytest.mark.parametrize("body", [b"", b"a", LONG], ids=len)
@pytest.mark.parametrize("how", ["whole", "stream"])
def test_what_was_put_is_read(objects, body, how):
    stored = run(objects.put(NAME, body) if how == "whole" else objects.put_stream(NAME, pieces(body), most=1 << 30))

    assert stored == Stored(NAME, len(body), hashlib.sha256(body).hexdigest())
    assert run(objects.get(stored)) == body
    assert listed(objects) == [NAME]


@pytest.mark.parametrize(
    "wrap", [lambda plain: plain, lambda plain: SealedObjects(plain, keyring())], ids=["plain", "sealed"]
)
@settings(max_examples=15)
@given(start=st.integers(0, 3 * PIECE), length=st.integers(0, 3 * PIECE))
def test_a_part_is_the_part_of_the_whole(tmp_path_factory, wrap, start, length):
    body = LONG[: 2 * PIECE + 17]
    end = min(start + length, len(body))

    async def part():
        objects = wrap(open_objects(f"file://{tmp_path_factory.mktemp('o')}"))
        await objects.put(NAME, body)
        return await all_of(objects.read(NAME, start, end))

    found = run(part())

    assert b"".join(found) == body[start:end]
    assert all(len(piece) <= PIECE for piece in found)


def test_the_same_content_again_is_no_conflict_and_other_content_is(objects):
    """A put whose answer was lost is tried again."""
    first = run(objects.put(NAME, b"one"))

    assert run(objects.put(NAME, b"one")) == first
    for other in (b"two", b"longer"):
        with pytest.raises(Conflict):
            run(objects.put(NAME, other))
    assert run(objects.get(first)) == b"one"


def test_a_long_body_never_replaces_another(objects):
    first = run(objects.put_stream(NAME, pieces(LONG), most=1 << 30))

    assert run(objects.put_stream(NAME, pieces(LONG), most=1 << 30)) == first
    with pytest.raises(Conflict):
        run(objects.put_stream(NAME, pieces(LONG[::-1]), most=1 << 30))
    assert run(objects.get(first)) == LONG
    assert listed(objects) == [NAME]


@pytest.mark.parametrize("size", [1_000, len(LONG)])
def test_a_stream_that_breaks_off_leaves_nothing(objects, folder, size):
    with pytest.raises(ConnectionResetError):
        run(objects.put_stream(NAME, breaking(LONG[:size]), most=1 << 30))

    assert [each for each in folder.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("most", [1_000, WHOLE + 100])
def test_a_stream_beyond_its_bound_is_refused_and_leaves_nothing(objects, folder, most):
    with pytest.raises(TooLarge):
        run(objects.put_stream(NAME, pieces(LONG), most=most))

    assert [each for each in folder.rglob("*") if each.is_file()] == []


def test_content_that_was_altered_is_noticed(objects, folder):
    stored = run(objects.put(NAME, b"as it was"))
    (folder / NAME).write_bytes(b"as it is!")

    with pytest.raises(Broken, match="not what was written"):
        run(objects.get(stored))


def test_an_object_that_is_gone_is_our_fault(objects):
    stored = run(objects.put(NAME, b"x"))
    run(objects.delete(NAME))

    with pytest.raises(Broken, match="not in the store"):
        run(objects.get(stored))
    with pytest.raises(Broken, match="not in the store"):
        run(all_of(objects.read(NAME, 0, 1)))


def test_deleting_is_done_whether_it_was_there_or_not(objects):
    run(objects.put(NAME, b"x"))
    for _ in range(2):
        run(objects.delete(NAME))

    assert run(objects.size(NAME)) is None


def test_retention_sees_what_was_written_before_a_moment(objects, folder):
    for tenant in ("t-1", "t-2"):
        run(objects.put(key(tenant, "a"), b"12345"))
    now = datetime.now(UTC)

    assert run(all_of(objects.older(now - LATER))) == []
    (found,) = run(all_of(objects.older(now + LATER, "t-2")))
    assert (found.key, found.bytes) == ("t-2/a", (folder / "t-2/a").stat().st_size)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_a_key_stays_within_its_tenant(names):
    try:
        made = key("t-1", *names)
    except Broken:
        return
    assert made.split("/") == ["t-1", *names]
    assert tenant_of(made) == "t-1"
    assert not {"", ".", ".."} & set(names)


@pytest.mark.parametrize(
    "names", [(), ("",), ("..",), ("a/b",), ("a\\b",), ("ä",), ("a b",), ("a#1",), ("a\x00",), ("x" * 129,)]
)
def test_a_name_with_other_letters_is_not_made(names):
    with pytest.raises(Broken):
        key("t-1", *names)


WRITER = """
import asyncio, sys
from serving.media.store import key, open_objects

async def endless():
    while True:
        yield bytes(1 << 20)
        print("written", flush=True)

asyncio.run(open_objects(sys.argv[1]).put_stream(key("t-1", "films", "a.mp4"), endless(), most=1 << 40))
"""


def test_a_killed_writer_leaves_no_half_object_and_its_draft_is_swept(objects, folder):
    writer: Any = subprocess.Popen([sys.executable, "-c", WRITER, f"file://{folder}"], stdout=subprocess.PIPE, cwd=ROOT)
    with writer.stdout as told:
        for _ in range(30):
            told.readline()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    left = [each for each in folder.rglob("*") if each.is_file()]

    assert listed(objects) == []
    assert left != []
    assert run(objects.tidy(datetime.now(UTC) - LATER)) == 0
    assert run(objects.tidy(datetime.now(UTC) + LATER)) == len(left)
    assert [each for each in folder.rglob("*") if each.is_file()] == []
    assert run(objects.put(NAME, b"now")).bytes == 3


FULL = """
import asyncio, resource, signal, sys
from serving.errors import Unavailable
from serving.media.store import key, open_objects

async def pieces():
    for _ in range(64):
        yield bytes(1 << 20)

objects = open_objects(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
for work in (objects.put(key("t-1", "a"), bytes(1 << 20)), objects.put_stream(key("t-1", "b"), pieces(), most=1 << 30)):
    try:
        asyncio.run(work)
    except Unavailable as full:
        print(full)
"""


def test_a_disk_that_takes_no_more_is_said_so_and_leaves_nothing(folder):
    done = subprocess.run([sys.executable, "-c", FULL, f"file://{folder}"], capture_output=True, text=True, cwd=ROOT)  # noqa: PLW1510

    assert done.stdout.count("its disk is full") == 2, done
    assert [each for each in folder.rglob("*") if each.is_file()] == []


def test_a_store_that_cannot_be_reached_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        open_objects(f"file://{tmp_path}/file/folder")
    with pytest.raises(Unavailable):
        open_objects("nonsense://x")


def test_a_key_is_text_and_nothing_more():
    assert Key("t-1/a") == key("t-1", "a")
