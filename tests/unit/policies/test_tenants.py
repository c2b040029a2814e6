"""The store of tenants and keys: one suite for the real one and its twin, then what only the real one can suffer."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.constraints import Constraints, DataClass, Wish, narrow, widenings
from policies.errors import Doubt, Malformed, PolicyError, Refused, Unavailable
from policies.tenants.admission import Admitted, Reason, admit
from policies.tenants.cell import Cell
from policies.tenants.folder import make_books, open_books
from policies.tenants.key import key_label
from policies.tenants.memory import MemoryStore
from policies.tenants.notice import NoticeKind
from policies.tenants.pepper import Pepper
from policies.tenants.registrar import Registrar
from policies.tenants.sqlite import SqliteStore, make_store
from policies.tenants.store import Known
from policies.tenants.tenant import Instant, tenant_id, tenant_name

PARIS = Cell("eu-par")
NOW = Instant(1_800_000_000_000)
PEPPER = Pepper(bytes(range(32)))
CEILING = Constraints(
    home="EU",
    allowed_jurisdictions=frozenset({"EU", "JP"}),
    allowed_classes=frozenset({DataClass.PUBLIC, DataClass.PERSONAL}),
)
LOWER = narrow(CEILING, Wish(allowed_jurisdictions=frozenset({"EU"})))


@pytest.fixture
def path(tmp_path) -> Path:
    make_store(tmp_path / "store.sqlite", PARIS, PEPPER.check())
    return tmp_path / "store.sqlite"


@pytest.fixture(params=["memory", "sqlite"])
def store(request):
    if request.param == "memory":
        yield MemoryStore(PARIS)
        return
    real = SqliteStore(request.getfixturevalue("path"))
    yield real
    real.close()


@pytest.fixture
def books(store):
    return Registrar(store, PEPPER, secrets.token_bytes)


@pytest.fixture
def real(path):
    store = SqliteStore(path, patience=0.05)
    yield Registrar(store, PEPPER, secrets.token_bytes)
    store.close()


def ask(store, text):
    """What a key opens; a test that expects the other answer fails where it reads it."""
    return admit(text, store=store, pepper=PEPPER, now=NOW)


# What both stores promise


def test_what_is_put_is_found(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    key = books.add_key(tenant.id, "farm", Wish(forbidden_lists=frozenset({"us-1260h"})), NOW, Instant(NOW + 1)).key

    assert books.store.tenant(tenant.id) == tenant
    assert books.store.find(key.id) == Known(tenant, key)
    assert (books.store.tenants(), books.store.keys(tenant.id)) == ([tenant], [key])
    assert books.store.cell == PARIS


def test_what_was_never_put_is_not_found(books):
    assert books.store.find("k-0000000000000000") is None
    assert books.store.tenant("t-0000000000000000") is None
    assert books.store.constraints("0" * 64) is None
    assert (books.store.tenants(), books.store.keys("t-0000000000000000"), books.store.notices(9)) == ([], [], [])


def test_a_tenant_sees_its_own_keys_alone(books):
    one, other = (books.add_tenant(name, CEILING, "standard", NOW) for name in ("one", "other"))
    mine = books.add_key(one.id, "a", Wish(), NOW).key
    books.add_key(other.id, "b", Wish(), NOW)

    assert books.store.keys(one.id) == [mine]


def test_tenants_and_keys_come_in_the_order_in_which_they_were_made(books):
    tenants = [books.add_tenant("x", CEILING, "standard", Instant(NOW + step)) for step in (3, 1, 2)]
    keys = [books.add_key(tenants[0].id, "k", Wish(), Instant(NOW + step)).key for step in (9, 7, 8)]

    assert [each.opened - NOW for each in books.store.tenants()] == [1, 2, 3]
    assert [each.made - NOW for each in books.store.keys(tenants[0].id)] == [7, 8, 9]
    assert len(keys) == 3


def test_a_key_without_a_tenant_is_refused(books):
    with pytest.raises(Refused, match="no tenant"):
        books.add_key("t-0000000000000000", "a", Wish(), NOW)


def test_a_key_cannot_pass_to_another_tenant(books):
    one, other = (books.add_tenant(name, CEILING, "standard", NOW) for name in ("one", "other"))
    key = books.add_key(one.id, "a", Wish(), NOW).key

    with pytest.raises(Refused, match="another tenant"), books.store.writing() as pen:
        pen.put_key(replace(key, tenant=other.id))
    assert books.store.find(key.id) == Known(one, key)


def test_a_block_that_raises_leaves_no_trace(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    before = (books.store.revision(), books.store.tenants(), books.store.notices(9))

    def half():
        with books.store.writing() as pen:
            pen.put_tenant(replace(tenant, name="Other"))
            assert pen.tenant(tenant.id).name == "Other"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert (books.store.revision(), books.store.tenants(), books.store.notices(9)) == before


def test_every_change_grows_the_revision(books):
    seen = [books.store.revision()]
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    seen.append(books.store.revision())
    key = books.add_key(tenant.id, "a", Wish(), NOW).key
    seen.append(books.store.revision())
    books.constrain(tenant.id, LOWER, NOW)
    seen.append(books.store.revision())
    books.revoke(key.id, NOW)
    seen.append(books.store.revision())

    assert seen == sorted(set(seen))


def test_the_control_log_is_told_of_each_change_with_digests_and_ids_alone(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    books.constrain(tenant.id, LOWER, NOW)
    old = books.add_key(tenant.id, "a", Wish(), NOW).key.id
    new = books.rotate(old, 0, NOW).key.id
    books.revoke(new, NOW)
    shut = books.close(tenant.id, NOW).ceiling.digest

    told = books.store.notices(99)
    constraints, key = NoticeKind.CONSTRAINTS, NoticeKind.KEY
    assert [(each.kind, each.tenant, each.old, each.new) for each in told] == [
        (constraints, tenant.id, None, CEILING.digest),
        (constraints, tenant.id, CEILING.digest, LOWER.digest),
        (key, tenant.id, None, old),
        (key, tenant.id, old, new),
        (key, tenant.id, new, None),
        (constraints, tenant.id, LOWER.digest, shut),
    ]
    assert [each.number for each in told] == [1, 2, 3, 4, 5, 6]
    assert "Acme" not in repr(told)


def test_a_change_that_changes_nothing_tells_nothing(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    key = books.add_key(tenant.id, "a", Wish(), NOW).key.id
    first = books.revoke(key, NOW)
    before = books.store.notices(99)

    assert books.revoke(key, Instant(NOW + 5)) == first
    books.constrain(tenant.id, CEILING, NOW)
    assert books.store.notices(99) == before


def test_notices_that_were_acknowledged_are_dropped_and_their_numbers_stay_used(books):
    for _ in range(3):
        books.add_tenant("Acme", CEILING, "standard", NOW)

    with books.store.writing() as pen:
        pen.drop_notices(3)
    books.add_tenant("Acme", CEILING, "standard", NOW)

    assert [each.number for each in books.store.notices(99)] == [4]


def test_a_ceiling_that_was_replaced_can_still_be_read_for_a_replay(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    books.constrain(tenant.id, LOWER, NOW)

    assert books.store.constraints(CEILING.digest) == CEILING.canonical()
    assert books.store.constraints(LOWER.digest) == LOWER.canonical()


def test_a_closed_tenant_stays_closed(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    books.close(tenant.id, NOW)

    for change in (
        lambda: books.close(tenant.id, NOW),
        lambda: books.constrain(tenant.id, CEILING, NOW),
        lambda: books.serve(tenant.id, "batch"),
        lambda: books.add_key(tenant.id, "a", Wish(), NOW),
    ):
        with pytest.raises(Refused, match="closed"):
            change()


def test_a_tenant_can_be_given_another_class_of_service(books):
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    text = books.add_key(tenant.id, "a", Wish(), NOW).text.text

    books.serve(tenant.id, "priority")

    assert ask(books.store, text).sla == "priority"


def test_a_name_stays_out_of_what_is_printed_for_machines(books):
    tenant = books.add_tenant("Jean Dupont", CEILING, "standard", NOW)

    assert "Dupont" not in repr(tenant)


jurisdictions = st.frozensets(st.sampled_from(["EU", "JP", "US"]))
classes = st.frozensets(st.sampled_from(DataClass))


@given(jurisdictions, classes, jurisdictions, classes, jurisdictions, classes)
def test_no_key_and_no_request_ever_gets_more_than_the_tenant_has(here, mine, key_in, key_for, ask_in, ask_for):
    books = Registrar(MemoryStore(PARIS), PEPPER, secrets.token_bytes)
    ceiling = Constraints(home="EU", allowed_jurisdictions=here, allowed_classes=mine)
    tenant = books.add_tenant("Acme", ceiling, "standard", NOW)
    wish = Wish(allowed_jurisdictions=key_in & here, allowed_classes=key_for & mine)
    text = books.add_key(tenant.id, "a", wish, NOW).text.text

    admitted = ask(books.store, text)
    asked = admitted.narrowed(Wish(allowed_jurisdictions=ask_in, allowed_classes=ask_for))

    assert widenings(ceiling, admitted.constraints) == widenings(admitted.constraints, asked) == ()
    assert asked.allowed_jurisdictions == here & key_in & ask_in
    assert asked.allowed_classes == mine & key_for & ask_for


@pytest.mark.parametrize("text", ["", "  ", "a" * 121, "two\nlines", "bell\x07", "\u202eright to left"])
def test_a_name_that_cannot_be_shown_is_refused(text):
    with pytest.raises(Malformed):
        tenant_name(text)


@pytest.mark.parametrize("text", ["", "A", "a b", "-a", "a" * 33, "jean@example.org", "a\n"])
def test_a_label_that_could_hold_more_than_a_label_is_refused(text):
    with pytest.raises(Malformed):
        key_label(text)


@pytest.mark.parametrize("text", ["", "t-", "t-0123456789abcdeF", "t-0123456789abcdef0", "t-٠123456789abcde"])
def test_an_id_of_another_shape_is_refused(text):
    with pytest.raises(Malformed):
        tenant_id(text)


# Several processes, and what can go wrong with a file


def serve(folder, text, answers, stop):
    """A server in another process: asks again and again, and reports each new answer with its time."""
    books = open_books(folder, secrets.token_bytes)
    last = None
    while not stop.is_set():
        answer = admit(text, store=books.store, pepper=books.pepper, now=NOW)
        state = "admitted" if isinstance(answer, Admitted) else answer.reason.value
        if state != last:
            answers.put((time.monotonic(), state))
            last = state
        time.sleep(0.005)
    books.store.close()


def test_a_key_that_one_process_revokes_is_refused_by_another_within_a_second(tmp_path):
    make_books(tmp_path, PARIS, secrets.token_bytes)
    books = open_books(tmp_path, secrets.token_bytes)
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    made = books.add_key(tenant.id, "a", Wish(), NOW)
    spawn = multiprocessing.get_context("spawn")
    answers, stop = spawn.Queue(), spawn.Event()
    server = spawn.Process(target=serve, args=(tmp_path, made.text.text, answers, stop))
    server.start()
    try:
        assert answers.get(timeout=120)[1] == "admitted"
        books.revoke(made.key.id, NOW)
        revoked = time.monotonic()
        noticed, state = answers.get(timeout=60)
    finally:
        stop.set()
        server.join()
        books.store.close()

    assert (state, noticed - revoked < 1) == ("revoked", True)


def test_a_look_up_sees_every_commit_that_came_before_it(path):
    mine, other = (Registrar(SqliteStore(path), PEPPER, secrets.token_bytes) for _ in range(2))
    tenant = mine.add_tenant("Acme", CEILING, "standard", NOW)
    made = mine.add_key(tenant.id, "a", Wish(), NOW)

    for step in range(20):
        ceiling = LOWER if step % 2 else CEILING
        mine.constrain(tenant.id, ceiling, NOW)
        assert ask(other.store, made.text.text).constraints == ceiling
    mine.revoke(made.key.id, NOW)

    assert ask(other.store, made.text.text).reason is Reason.REVOKED
    mine.store.close()
    other.store.close()


def test_a_fork_uses_a_connection_of_its_own(real, path):
    tenant = real.add_tenant("Acme", CEILING, "standard", NOW)
    child = os.fork()
    if child == 0:
        try:
            real.add_key(tenant.id, "a", Wish(), NOW)
            os._exit(0 if len(real.store.keys(tenant.id)) == 1 else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(real.store.keys(tenant.id)) == 1


def test_threads_share_a_store(real):
    tenant = real.add_tenant("Acme", CEILING, "standard", NOW)
    made = real.add_key(tenant.id, "a", Wish(), NOW)
    opened = []

    def ask():
        for _ in range(20):
            opened.append(isinstance(admit(made.text.text, store=real.store, pepper=PEPPER, now=NOW), Admitted))
            real.add_key(tenant.id, "more", Wish(), NOW)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (opened, len(real.store.keys(tenant.id))) == ([True] * 60, 61)


def test_only_one_of_two_rotations_of_one_key_wins(path):
    one, other = (Registrar(SqliteStore(path), PEPPER, secrets.token_bytes) for _ in range(2))
    tenant = one.add_tenant("Acme", CEILING, "standard", NOW)
    key = one.add_key(tenant.id, "a", Wish(), NOW).key.id
    won, lost = [], []

    def rotate(books):
        try:
            won.append(books.rotate(key, 0, NOW).key.id)
        except Refused as refusal:
            lost.append(str(refusal))

    threads = [threading.Thread(target=rotate, args=(books,)) for books in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each.successor for each in one.store.keys(tenant.id) if each.id == key] == won
    assert ["already replaced" in each for each in lost] == [True]
    one.store.close()
    other.store.close()


def test_a_writer_that_waits_too_long_is_told_so_and_readers_never_wait(real, path):
    tenant = real.add_tenant("Acme", CEILING, "standard", NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="another process"):
        real.close(tenant.id, NOW)
    assert real.store.tenant(tenant.id) == tenant
    other.execute("ROLLBACK")
    other.close()
    assert real.close(tenant.id, NOW).closed == NOW


def test_a_full_disk_changes_nothing_and_is_named(real):
    tenant = real.add_tenant("Acme", CEILING, "standard", NOW)
    with real.store.writing() as pen:
        pages = pen.line.execute("PRAGMA page_count").fetchone()[0]
        pen.line.execute(f"PRAGMA max_page_count = {pages}")

    def fill():
        for _ in range(200):
            real.add_key(tenant.id, "a", Wish(), NOW)

    with pytest.raises(Unavailable, match="is full"):
        fill()

    kept = real.store.keys(tenant.id)
    assert len([each for each in real.store.notices(999) if each.kind is NoticeKind.KEY]) == len(kept)
    assert real.store.tenant(tenant.id) == tenant


def test_a_damaged_file_lets_nobody_in(real, path):
    text = real.add_key(real.add_tenant("Acme", CEILING, "standard", NOW).id, "a", Wish(), NOW).text.text
    real.store.close()  # the last connection writes everything back
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (size - 4096))

    with pytest.raises(Doubt, match="damaged"):
        admit(text, store=real.store, pepper=PEPPER, now=NOW)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"not a database at all" * 100)

    with pytest.raises(Doubt, match="damaged"):
        SqliteStore(tmp_path / "store.sqlite")


@given(st.binary(max_size=300))
def test_no_bytes_in_place_of_the_file_make_it_crash(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("strange") / "store.sqlite"
    place.write_bytes(data)

    with pytest.raises(PolicyError):
        SqliteStore(place)


def test_a_database_of_somebody_else_is_refused(tmp_path):
    other = sqlite3.connect(tmp_path / "store.sqlite")
    other.execute("CREATE TABLE cell (name TEXT)")
    other.close()

    with pytest.raises(Doubt, match="not a store of tenants"):
        SqliteStore(tmp_path / "store.sqlite")


def test_a_store_of_a_later_version_is_left_alone(path):
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 2")
    later.close()

    with pytest.raises(Refused, match="another version"):
        SqliteStore(path)


def test_constraints_that_were_altered_in_the_file_are_noticed(path):
    weak = Constraints(home="EU", allowed_jurisdictions=frozenset({"US"}), allowed_classes=frozenset(DataClass))
    strict = narrow(CEILING, Wish(forbidden_lists=frozenset({"never-seen-before"})))
    store = SqliteStore(path)
    tenant = Registrar(store, PEPPER, secrets.token_bytes).add_tenant("Acme", strict, "standard", NOW)
    with store.writing() as pen:
        pen.line.execute("UPDATE ceilings SET body = ?", (weak.canonical(),))

    with pytest.raises(Doubt, match="damaged"):
        store.tenant(tenant.id)
    store.close()


def test_a_file_that_is_exchanged_under_an_open_store_is_read_anew(real, path, tmp_path):
    tenant = real.add_tenant("Acme", CEILING, "standard", NOW)
    make_store(tmp_path / "empty.sqlite", PARIS, PEPPER.check())

    (tmp_path / "empty.sqlite").replace(path)
    for tail in ("-wal", "-shm"):
        Path(f"{path}{tail}").unlink(missing_ok=True)

    assert real.store.tenant(tenant.id) is None


def test_a_file_that_is_taken_away_lets_nobody_in(real, path):
    made = real.add_key(real.add_tenant("Acme", CEILING, "standard", NOW).id, "a", Wish(), NOW)
    path.unlink()

    with pytest.raises(Refused, match="not there"):
        admit(made.text.text, store=real.store, pepper=PEPPER, now=NOW)


# The folder


def test_a_folder_is_made_for_its_owner_alone(tmp_path):
    make_books(tmp_path / "cell", PARIS, secrets.token_bytes)
    books = open_books(tmp_path / "cell", secrets.token_bytes)
    books.add_tenant("Acme", CEILING, "standard", NOW)

    room = tmp_path / "cell" / "tenants"
    modes = {each.name: each.stat().st_mode & 0o777 for each in (room, *room.iterdir())}
    assert modes == {
        "tenants": 0o700,
        "pepper": 0o600,
        "store.sqlite": 0o600,
        "store.sqlite-wal": 0o600,
        "store.sqlite-shm": 0o600,
    }
    books.store.close()


def test_a_folder_is_made_once(tmp_path):
    make_books(tmp_path, PARIS, secrets.token_bytes)

    with pytest.raises(Refused, match="there already"):
        make_books(tmp_path, Cell("jp-tyo"), secrets.token_bytes)
    assert open_books(tmp_path, secrets.token_bytes).store.cell == PARIS


def test_a_folder_whose_making_fails_is_as_before(tmp_path):
    def broken(size):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_books(tmp_path, PARIS, broken)
    assert list(tmp_path.iterdir()) == []


def test_a_pepper_of_another_cell_is_noticed(tmp_path):
    for name in ("one", "other"):
        make_books(tmp_path / name, PARIS, secrets.token_bytes)
    (tmp_path / "one/tenants/pepper").replace(tmp_path / "other/tenants/pepper")

    with pytest.raises(Doubt, match="not the pepper"):
        open_books(tmp_path / "other", secrets.token_bytes)


def test_a_folder_that_is_no_cell_is_refused(tmp_path):
    with pytest.raises(Refused, match="equerry tenant init"):
        open_books(tmp_path, secrets.token_bytes)
