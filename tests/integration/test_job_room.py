"""What tenants' objects take: one suite for SQLite, Postgres and the in-memory twin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.errors import Limited
from serving.jobs.job import TenantId
from serving.jobs.records import Artefact
from serving.jobs.room import Held
from serving.jobs.sql.store import open_store
from tests.integration.worlds import RULES, START

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")
HOUR = 3_600_000  # ms


def held(name: str, size: int = 5, tenant: TenantId = ACME) -> Held:
    return Held(name=name, tenant=tenant, bytes=size)


def test_a_tenant_may_fill_its_room_to_the_last_byte_and_not_beyond(world):
    world.store.hold_bytes(ACME, "t-acme/drafts/a", 7, most=10)
    world.store.hold_bytes(ACME, "t-acme/drafts/a", 10, most=10)
    world.store.hold_bytes(ACME, "t-acme/drafts/a", 10, most=10)  # again, after a lost answer
    with pytest.raises(Limited) as refusal:
        world.store.hold_bytes(ACME, "t-acme/drafts/b", 1, most=10)

    assert refusal.value.quota
    assert world.store.bytes_held(ACME) == 10


def test_no_tenant_takes_anothers_room(world):
    world.store.hold_bytes(ACME, "t-acme/drafts/a", 10, most=10)
    world.store.hold_bytes(BOLT, "t-bolt/drafts/a", 10, most=10)

    assert (world.store.bytes_held(ACME), world.store.bytes_held(BOLT)) == (10, 10)


def test_what_was_written_is_counted_once_however_often_it_is_sent(world):
    for draft in ("t-acme/drafts/a", "t-acme/drafts/b"):
        world.store.hold_bytes(ACME, draft, 4, most=10)
        world.store.settle_bytes(draft, "t-acme/uploads/x")

    assert world.store.bytes_held(ACME) == 4


def test_what_is_gone_makes_room(world):
    world.store.hold_bytes(ACME, "t-acme/drafts/a", 10, most=10)
    world.store.settle_bytes("t-acme/drafts/a", "t-acme/uploads/x")
    world.store.free_bytes("t-acme/uploads/x")
    world.store.free_bytes("t-acme/uploads/x")  # again, after a lost answer

    assert world.store.bytes_held(ACME) == 0


def test_a_film_is_counted_beyond_the_bound_and_once(world):
    world.store.count_bytes([held("t-acme/j/1/film.mp4", 99)])
    world.store.count_bytes([held("t-acme/j/1/film.mp4", 99)])
    with pytest.raises(Limited):
        world.store.hold_bytes(ACME, "t-acme/drafts/a", 1, most=10)

    assert world.store.bytes_held(ACME) == 99


def test_what_lies_in_a_folder_for_long_is_found(world):
    world.store.count_bytes([held("t-acme/uploads/x"), held("t-acme/j/1/film.mp4")])
    world.jump(HOUR)
    world.store.count_bytes([held("t-acme/uploads/y")])

    assert world.store.held_before("uploads", START + 1, most=9) == (held("t-acme/uploads/x"),)
    assert len(world.store.held_before("uploads", START + 2 * HOUR, most=1)) == 1


def test_keys_that_nothing_is_counted_for_are_told_from_others(world):
    world.store.count_bytes([held("t-acme/uploads/x")])

    assert world.store.uncounted(["t-acme/uploads/x", "t-acme/uploads/y"]) == {"t-acme/uploads/y"}
    assert world.store.uncounted([]) == set()


def test_artefacts_live_until_they_are_deleted(world):
    for key in ("t-acme/j/1/film.mp4", "t-acme/j/2/film.mp4"):
        world.store.keep(Artefact(key=key, tenant=ACME, job=None, sha256="", key_id="", expires=START))
    world.store.gone("t-acme/j/1/film.mp4")

    asked = ["t-acme/j/1/film.mp4", "t-acme/j/2/film.mp4", "t-acme/j/3/film.mp4"]
    assert world.store.living(asked) == {"t-acme/j/2/film.mp4"}


def test_an_erasure_leaves_nothing_counted(world):
    world.store.count_bytes([held("t-acme/uploads/x"), held("t-acme/drafts/z")])
    world.store.count_bytes([held("t-bolt/uploads/x", tenant=BOLT)])
    world.store.ask_erasure("e" * 32, ACME)
    world.store.erased("e" * 32, "{}")

    assert (world.store.bytes_held(ACME), world.store.bytes_held(BOLT)) == (0, 5)


def test_many_gateways_together_never_exceed_a_room(lasting):
    """Four gateways, each a process's worth of connections, write until none of them may."""

    def gateway(number: int) -> int:
        store, taken = open_store(lasting.address, RULES, migrated=False), 0
        try:
            for turn in range(100):
                store.hold_bytes(ACME, f"t-acme/drafts/{number}-{turn}", 3, most=200)
                taken += 3
                assert store.bytes_held(ACME) <= 200
        except Limited:
            return taken
        finally:
            store.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(gateway, range(4)))

    assert sum(taken) == lasting.store.bytes_held(ACME) == 198  # 66 threes; one more would be 201
