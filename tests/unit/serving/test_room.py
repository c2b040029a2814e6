"""Each tenant keeps to its room: what clients bring is refused where it is full, and what is gone makes room."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from serving.dialects.answers import error_response
from serving.errors import Conflict, Limited, TooLarge
from serving.jobs.job import TenantId
from serving.jobs.memory import MemoryStore
from serving.jobs.room import no_room
from serving.media.ingest import FOLDER as SOURCES
from serving.media.objects import key
from serving.media.room import BROUGHT, STEP, Fill, RoomyObjects
from serving.media.store import open_objects
from serving.media.uploads import FOLDER as UPLOADS
from serving.media.uploads import Uploads

ACME = TenantId("t-acme")
MOST = 3 * STEP


class Cell:
    """A folder of objects, and a count in memory."""

    def __init__(self, folder) -> None:
        self.now = 0
        self.store = MemoryStore(lambda: self.now)
        inner = open_objects(f"file://{folder}/objects")
        self.objects = RoomyObjects(inner, self.store, most=MOST, draw=os.urandom)
        self.uploads = Uploads(self.objects, most=2 * STEP, draw=os.urandom, now=lambda: self.now)

    @property
    def held(self) -> int:
        return self.store.bytes_held(ACME)

    def add(self, size: int) -> str:
        return asyncio.run(self.uploads.add(ACME, "a.png", pieces(size))).id


async def pieces(size: int, fails: Exception | None = None):
    for start in range(0, size, 1 << 20):
        yield bytes(min(1 << 20, size - start))
    if fails is not None:
        raise fails


@pytest.fixture
def cell(tmp_path) -> Cell:
    return Cell(tmp_path)


def test_the_folders_of_what_clients_bring_are_those_that_hold_it():
    assert set(BROUGHT) == {UPLOADS, SOURCES}


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP])
def test_an_upload_is_counted_to_the_byte(cell, size):
    cell.add(size)

    assert cell.held == size


def test_an_upload_fills_the_room_to_the_last_byte_and_the_next_one_is_refused(cell):
    cell.add(2 * STEP)
    cell.add(STEP)
    with pytest.raises(Limited) as refusal:
        cell.add(1)

    assert refusal.value.quota
    assert cell.held == MOST


def test_an_upload_that_does_not_fit_leaves_neither_bytes_nor_a_count(cell, tmp_path):
    cell.add(2 * STEP)
    with pytest.raises(Limited):
        cell.add(STEP + 1)

    assert cell.held == 2 * STEP
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) == 2 * STEP


@pytest.mark.parametrize("fault", [TooLarge("too much"), ConnectionResetError(), asyncio.CancelledError()])
def test_an_upload_that_breaks_off_is_not_counted(cell, fault):
    with pytest.raises(type(fault)):
        asyncio.run(cell.uploads.add(ACME, "a.png", pieces(STEP + 5, fault)))

    assert cell.held == 0


def test_the_same_file_again_takes_no_more_room_and_another_under_its_name_none(cell):
    for _ in range(2):
        asyncio.run(cell.uploads.keep(ACME, "folder/a.png", pieces(7)))
    with pytest.raises(Conflict):
        asyncio.run(cell.uploads.keep(ACME, "folder/a.png", pieces(8)))

    assert cell.held == 7


def test_a_source_is_refused_where_the_room_is_full_and_a_film_is_kept(cell):
    cell.add(2 * STEP)
    cell.add(STEP)

    with pytest.raises(Limited):
        asyncio.run(cell.objects.put(key(ACME, SOURCES, "a"), b"x"))
    asyncio.run(cell.objects.put(key(ACME, "0" * 32, "1", "film.mp4"), b"film"))

    assert cell.held == MOST + 4


def test_what_is_deleted_makes_room(cell):
    own = cell.add(2 * STEP)
    asyncio.run(cell.objects.delete(key(ACME, UPLOADS, own)))

    assert cell.held == 0


def test_two_uploads_at_once_cannot_both_take_the_last_room(cell):
    async def both():
        tries = [cell.uploads.add(ACME, "a.png", pieces(2 * STEP)) for _ in range(2)]
        return await asyncio.gather(*tries, return_exceptions=True)

    answers = asyncio.run(both())

    assert sum(isinstance(each, Limited) for each in answers) >= 1
    assert cell.held == 2 * STEP * sum(not isinstance(each, Limited) for each in answers)


def test_orders_hear_that_the_room_is_full_and_within_a_second_that_it_is_not(cell):
    clock = [0.0]
    fill = Fill(cell.store, MOST, lambda: clock[0])
    cell.store.hold_bytes(ACME, "t-acme/drafts/a", MOST, MOST)

    assert isinstance(asyncio.run(fill.look(ACME)), Limited)
    assert asyncio.run(fill.look(TenantId("t-bolt"))) is None

    cell.store.free_bytes("t-acme/drafts/a")
    clock[0] += 1.0
    assert asyncio.run(fill.look(ACME)) is None


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1/files", {"error": {"code": "insufficient_quota"}}),
        ("/v1/jobs/uploads", {"code": "quota"}),
        ("/api/v1/uploads/oss/x", {"code": "Throttling.AllocationQuota"}),
    ],
)
def test_each_dialect_says_in_its_own_shape_that_the_room_is_full(path, place):
    status, headers, body = error_response(no_room(10 << 30), path, "r" * 32)
    told = json.loads(body)

    assert (status, dict(headers)["retry-after"]) == (429, "600")
    assert "10,240 MiB" in json.dumps(told)
    for name, found in place.items():
        assert told[name] == found if isinstance(found, str) else found.items() <= told[name].items()
