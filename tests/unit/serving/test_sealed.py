"""What is sealed opens with its tenant's key alone, as it was, in its place, and never again once that key is gone."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import Broken, Refused
from serving.jobs.memory import MemoryStore
from serving.media.store import Stored, key, open_objects
from serving.sealed.box import HEAD, PIECE, TAG, Box, Head, content_size, sealed_size
from serving.sealed.keys import FORGET_MS, CellKey, Keyring
from serving.sealed.objects import GROUP, SealedObjects

ACME, BOLT = "t-0123456789abcdef", "t-fedcba9876543210"
NAME = key(ACME, "films", "a.mp4")
SECRET = b"s" * 32
FILM = os.urandom(5 * PIECE + 123)
EDGES = [0, 1, PIECE - 1, PIECE, PIECE + 1, GROUP * PIECE, GROUP * PIECE + 1]
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(0, 4 * PIECE))


def run(awaitable):
    return asyncio.run(awaitable)


async def whole(parts):
    return b"".join([each async for each in parts])


async def cut(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]


def a_box(data_key: bytes = b"d" * 32, name: str = NAME, head: Head | None = None) -> Box:
    return Box(data_key, name, head or Head("a" * 32, b"s" * 32))


def a_keyring(
    store: MemoryStore | None = None, secret: bytes = SECRET, cell: str = "eu-par", clock=lambda: 0
) -> Keyring:
    rows = store or MemoryStore(lambda: 0)
    return Keyring(cell, rows, CellKey([secret], os.urandom), draw=os.urandom, clock=clock)


@pytest.fixture
def plain(tmp_path):
    return open_objects(f"file://{tmp_path / 'objects'}")


# The box -------------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(size=SIZES, step=st.integers(1, 2 * PIECE))
def test_what_was_sealed_is_opened_and_streams_are_the_same_as_wholes(size, step):
    body, box = os.urandom(size), a_box()
    sealed = box.seal_whole(body)

    assert box.open_whole(sealed) == body
    assert len(sealed) == sealed_size(size)
    assert content_size(len(sealed)) == size
    assert run(whole(box.seal_stream(cut(body, step)))) == sealed


@settings(max_examples=30)
@given(place=st.integers(HEAD, sealed_size(len(FILM)) - 1), bit=st.integers(0, 7))
def test_one_bit_that_changed_is_seen(place, bit):
    sealed = bytearray(a_box().seal_whole(FILM))
    sealed[place] ^= 1 << bit

    with pytest.raises(Broken, match="not what was sealed"):
        a_box().open_whole(bytes(sealed))


def pieces_of(sealed: bytes) -> list[bytes]:
    return [sealed[at : at + PIECE + TAG] for at in range(HEAD, len(sealed), PIECE + TAG)]


@pytest.mark.parametrize(
    "change",
    [
        lambda pieces: [pieces[1], pieces[0], *pieces[2:]],
        lambda pieces: [pieces[0], *pieces[2:]],
        lambda pieces: pieces[:-1],
        lambda pieces: [*pieces, pieces[-1]],
        lambda pieces: pieces[-1:],
    ],
    ids=["swapped", "left out", "cut off", "lengthened", "only the last"],
)
def test_pieces_that_were_moved_or_left_out_are_seen(change):
    sealed = a_box().seal_whole(FILM)

    with pytest.raises(Broken, match="not what was sealed"):
        a_box().open_whole(sealed[:HEAD] + b"".join(change(pieces_of(sealed))))


@pytest.mark.parametrize(
    "other",
    [a_box(b"e" * 32), a_box(name=key(BOLT, "films", "a.mp4")), a_box(head=Head("a" * 32, b"t" * 32))],
    ids=["another key", "another name", "another salt"],
)
def test_only_its_own_key_name_and_salt_open_a_box(other):
    with pytest.raises(Broken, match="not what was sealed"):
        other.open_whole(a_box().seal_whole(FILM))


@given(size=st.integers(0, 1 << 20))
def test_a_size_is_that_of_a_sealed_object_or_refused(size):
    try:
        content = content_size(size)
    except Broken:
        return
    assert sealed_size(content) == size


# Keys ----------------------------------------------------------------------------------------------------------------


def test_a_tenants_things_open_in_every_process_and_not_with_another_cells_key():
    store = MemoryStore(lambda: 0)
    sealed = a_keyring(store).seal(ACME, "job/0", b"codes")

    assert b"codes" not in sealed
    assert a_keyring(store).open(ACME, "job/0", sealed) == b"codes"
    for stranger in (a_keyring(store, b"x" * 32), a_keyring(store, cell="eu-ber")):
        with pytest.raises(Broken, match="cannot be unwrapped"):
            stranger.open(ACME, "job/0", sealed)
    with pytest.raises(Broken, match="destroyed"):
        a_keyring(store).open(BOLT, "job/0", sealed)


def test_a_new_cell_key_is_put_before_the_old_one():
    store = MemoryStore(lambda: 0)
    sealed = a_keyring(store).seal(ACME, "a", b"old")
    both = Keyring("eu-par", store, CellKey([b"n" * 32, SECRET], os.urandom), draw=os.urandom, clock=lambda: 0)
    other = both.seal(BOLT, "b", b"new")

    assert both.open(ACME, "a", sealed) == b"old"
    assert a_keyring(store, b"n" * 32).open(BOLT, "b", other) == b"new"


def test_a_key_that_could_be_guessed_is_refused():
    with pytest.raises(Refused, match="openssl rand"):
        CellKey([b"short"], os.urandom)


class Service:
    """A key service that counts what it is asked."""

    def __init__(self) -> None:
        self.inner, self.asked = CellKey([SECRET], os.urandom), 0

    def wrap(self, key: bytes, about: bytes) -> bytes:
        return self.inner.wrap(key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        self.asked += 1
        return self.inner.unwrap(wrapped, about)


def test_a_key_service_is_asked_once_a_minute():
    now, service = [0], Service()
    keys = Keyring("eu-par", MemoryStore(lambda: 0), service, draw=os.urandom, clock=lambda: now[0])
    sealed = keys.seal(ACME, "a", b"x")
    for _ in range(5):
        keys.open(ACME, "a", sealed)
    assert service.asked == 1

    now[0] = FORGET_MS
    keys.open(ACME, "a", sealed)
    assert service.asked == 2


def test_a_key_that_one_process_destroys_opens_nothing_in_any_other():
    store = MemoryStore(lambda: 0)
    here, there = a_keyring(store), a_keyring(store)
    sealed = here.seal(ACME, "a", b"x")
    there.open(ACME, "a", sealed)
    here.destroy(ACME)

    for keys in (here, there):
        with pytest.raises(Broken, match="gone, as was asked for"):
            keys.open(ACME, "a", sealed)
    assert there.open(ACME, "a", there.seal(ACME, "a", b"a new beginning")) == b"a new beginning"


# Objects -------------------------------------------------------------------------------------------------------------


def test_nothing_of_an_object_is_in_the_store(plain, tmp_path):
    objects = SealedObjects(plain, a_keyring())
    run(objects.put(NAME, FILM))
    run(objects.put_stream(key(ACME, "uploads", "b"), cut(FILM * 30, 100_000), most=1 << 30))
    kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())

    assert len(kept) > 31 * len(FILM)
    assert not any(FILM[at : at + 16] in kept for at in range(0, len(FILM), 4096))


def test_after_erasure_a_copy_of_the_objects_is_useless(plain):
    store = MemoryStore(lambda: 0)
    objects = SealedObjects(plain, a_keyring(store))
    stored = run(objects.put(NAME, FILM))
    a_keyring(store).destroy(ACME)

    for reader in (objects, SealedObjects(plain, a_keyring(store))):
        with pytest.raises(Broken, match="gone, as was asked for"):
            run(reader.get(stored))
        with pytest.raises(Broken, match="gone, as was asked for"):
            run(whole(reader.read(NAME, 5, 10)))


def test_an_object_that_was_moved_to_another_name_or_tenant_does_not_open(plain, tmp_path):
    keys, folder = a_keyring(), tmp_path / "objects"
    mine = run(SealedObjects(plain, keys).put(NAME, FILM))
    for other, why in (
        (key(BOLT, "films", "a.mp4"), "destroyed"),
        (key(ACME, "films", "b.mp4"), "not what was sealed"),
    ):
        run(plain.put(other, (folder / NAME).read_bytes()))

        with pytest.raises(Broken, match=why):
            run(SealedObjects(plain, keys).get(Stored(other, mine.bytes, mine.sha256)))


def test_what_was_there_before_sealing_is_read_and_what_was_sealed_is_read_after_it(plain):
    keys = a_keyring()
    sealing, resting = SealedObjects(plain, keys), SealedObjects(plain, keys, seals=False)
    before = run(plain.put(key(ACME, "before"), FILM))
    during = run(sealing.put(key(ACME, "during"), FILM))
    after = run(resting.put(key(ACME, "after"), FILM))

    for reader in (sealing, resting):
        assert {run(reader.get(each)) for each in (before, during, after)} == {FILM}
    assert run(plain.size(after.key)) == len(FILM)


def test_a_head_that_is_remembered_does_not_hide_that_an_object_has_gone(plain):
    objects = SealedObjects(plain, a_keyring())
    run(objects.put(NAME, b"x"))
    assert run(objects.size(NAME)) == 1
    run(plain.delete(NAME))

    assert run(objects.size(NAME)) is None
    assert run(whole_list(objects)) == []


@pytest.mark.parametrize("anew", [b"x" * 100, b"another beginning"], ids=["same content", "other content"])
def test_what_another_process_deleted_and_put_anew_is_read_as_it_is_now(plain, anew):
    keys = a_keyring()
    here, there = SealedObjects(plain, keys), SealedObjects(plain, keys)
    run(here.put(NAME, b"x" * 100))
    run(here.size(NAME))  # remembers the head
    run(there.delete(NAME))
    stored = run(there.put(NAME, anew))

    assert run(here.get(stored)) == anew
    assert run(here.size(NAME)) == len(anew)
    assert run(here.put(NAME, anew)) == stored


def test_what_was_changed_on_the_disk_is_broken_under_a_remembered_head_too(plain, tmp_path):
    objects = SealedObjects(plain, a_keyring())
    stored = run(objects.put(NAME, FILM))
    run(objects.size(NAME))
    file = tmp_path / "objects" / NAME
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.write_bytes(body)

    for _ in range(2):
        with pytest.raises(Broken, match="not what was sealed"):
            run(objects.get(stored))


async def whole_list(objects):
    return [each async for each in objects.older(datetime(9999, 1, 1, tzinfo=UTC))]
