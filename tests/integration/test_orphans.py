"""Objects that nobody knows are found, in a folder and in a bucket alike."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import urllib.request
from datetime import UTC, datetime

import pytest

from serving.jobs.job import TenantId
from serving.jobs.memory import MemoryStore
from serving.jobs.records import Artefact
from serving.media.objects import key
from serving.media.room import RoomyObjects
from serving.media.store import open_objects
from serving.meter.orphans import KNOWN_MS, ORPHAN_MS, free_unfinished, look_through
from serving.meter.retention import sweep

ACME = TenantId("t-acme")
FILM = key(ACME, "a" * 32, "1", "film.mp4")
LATE = key(ACME, "a" * 32, "2", "film.mp4")  # whose studio had lost its lease
UPLOAD = key(ACME, "uploads", "file_" + "0" * 32)


@pytest.fixture(scope="module")
def server():
    moto = pytest.importorskip("moto.server", reason="the S3 server of the test requirements is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(params=["folder", "s3"])
def plain(request, tmp_path):
    """Objects that count nothing."""
    if request.param == "folder":
        return open_objects(f"file://{tmp_path}/objects")
    server = request.getfixturevalue("server")
    name = f"films-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT")).close()
    options = {"aws_endpoint": server, "aws_region": "us-east-1", "client_allow_http": "true"}
    return open_objects(f"s3://{name}/cell", options | {"aws_access_key_id": "i", "aws_secret_access_key": "s"})


class Cell:
    def __init__(self, plain) -> None:
        self.now = round(datetime.now(UTC).timestamp() * 1000)
        self.store = MemoryStore(lambda: self.now)
        self.plain = plain
        self.objects = RoomyObjects(plain, self.store, most=1 << 20, draw=os.urandom)

    def note(self, film) -> None:
        self.store.keep(Artefact(key=film, tenant=ACME, job=None, sha256="", key_id="", expires=2**62))

    def look(self) -> int:
        return asyncio.run(look_through(self.store, self.objects, now=self.now))

    def there(self, name) -> bool:
        return asyncio.run(self.plain.size(name)) is not None


@pytest.fixture
def cell(plain) -> Cell:
    return Cell(plain)


def test_a_film_that_landed_after_its_row_was_deleted_goes_and_others_stay(cell):
    for film in (FILM, LATE):
        cell.note(film)
        asyncio.run(cell.objects.put(film, b"film"))
    asyncio.run(cell.objects.put(UPLOAD, b"up"))
    asyncio.run(cell.objects.delete(LATE))
    cell.store.gone(LATE)
    asyncio.run(cell.objects.put(LATE, b"film"))  # the upload lands

    cell.now += ORPHAN_MS + 60_000
    assert cell.look() == 1
    assert [cell.there(each) for each in (FILM, LATE, UPLOAD)] == [True, False, True]
    assert cell.store.bytes_held(ACME) == len(b"film") + len(b"up")


def test_a_film_that_no_row_knows_has_a_day(cell):
    asyncio.run(cell.objects.put(LATE, b"film"))
    cell.now += ORPHAN_MS - 60_000

    assert cell.look() == 0
    assert cell.there(LATE)


def test_what_lies_there_uncounted_is_counted_after_an_hour(cell):
    cell.note(FILM)
    for name in (FILM, UPLOAD):
        asyncio.run(cell.plain.put(name, b"12345"))
    asyncio.run(cell.plain.put(key(ACME, "parts", "0" * 32), b"not ours to count"))

    cell.look()
    assert cell.store.bytes_held(ACME) == 0

    cell.now += KNOWN_MS + 60_000
    cell.look()
    cell.look()
    assert cell.store.bytes_held(ACME) == 10


def test_what_a_killed_writer_had_counted_is_free_after_a_while(cell):
    cell.store.hold_bytes(ACME, "t-acme/drafts/a", 9, most=9)

    assert free_unfinished(cell.store, cell.now) == 0
    assert free_unfinished(cell.store, cell.now + 1) == 1
    assert cell.store.bytes_held(ACME) == 0


def test_an_upload_that_was_deleted_and_not_freed_is_free_with_the_next_sweep(cell):
    asyncio.run(cell.objects.put(UPLOAD, b"up"))
    asyncio.run(cell.plain.delete(UPLOAD))  # and then the process was killed
    cell.now += 2 * KNOWN_MS

    asyncio.run(sweep(cell.store, cell.objects, now=cell.now, keep_ms=KNOWN_MS))

    assert cell.store.bytes_held(ACME) == 0
