"""What a key says of itself, what the cell keeps of it, and what it opens."""

from __future__ import annotations

import os
import random
import re
import secrets
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.constraints import Constraints, DataClass, Wish, narrow
from policies.errors import Broken, Malformed, Refused, Unavailable
from policies.tenants.admission import Admitted, Reason, Rejected, admit
from policies.tenants.cell import Cell
from policies.tenants.key import SKEW_MS
from policies.tenants.keytext import LETTERS, Mistyped, Unreadable, key_id, mint, read_key
from policies.tenants.memory import MemoryStore
from policies.tenants.pepper import Pepper, make_pepper, read_pepper
from policies.tenants.registrar import Registrar
from policies.tenants.store import Known
from policies.tenants.tenant import Instant

PARIS, TOKYO = Cell("eu-par"), Cell("jp-tyo")
NOW = Instant(1_800_000_000_000)
DAY = 86_400_000
PEPPER = Pepper(bytes(range(32)))
CEILING = Constraints(
    home="EU",
    allowed_jurisdictions=frozenset({"EU", "JP"}),
    allowed_classes=frozenset({DataClass.PUBLIC, DataClass.PERSONAL}),
)
KEY = mint(PARIS, random.Random(0).randbytes)

cells = st.from_regex(r"[a-z]{2}(-[a-z0-9]{1,12}){1,3}", fullmatch=True).map(Cell)


@pytest.fixture
def books():
    return Registrar(MemoryStore(PARIS), PEPPER, secrets.token_bytes)


@pytest.fixture
def tenant(books):
    return books.add_tenant("Acme", CEILING, "standard", NOW)


def ask(books, text, now=NOW):
    return admit(text, store=books.store, pepper=books.pepper, now=now)


# What a key says


@given(cells)
def test_reading_a_minted_key_gives_it_back(cell):
    key = mint(cell, secrets.token_bytes)

    assert read_key(key.text) == key


def test_a_key_names_its_cell_and_jurisdiction_and_can_be_found_by_a_scanner():
    assert re.fullmatch(r"eqk_eu-par_[0-9a-f]{16}_[0-9A-Za-z]{49}", KEY.text)
    assert (read_key(KEY.text).cell, read_key(KEY.text).cell.jurisdiction) == (PARIS, "EU")


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_different_secrets_make_different_keys(one, other):
    assume(one != other)

    assert mint(PARIS, lambda n: one[:n]).text[-49:-6] != mint(PARIS, lambda n: other[:n]).text[-49:-6]


@given(st.data())
def test_one_changed_letter_of_secret_or_checksum_is_a_slip_and_not_a_wrong_key(data):
    place = data.draw(st.integers(len(KEY.text) - 49, len(KEY.text) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    assume(letter != KEY.text[place])

    with pytest.raises(Mistyped):
        read_key(KEY.text[:place] + letter + KEY.text[place + 1 :])


@given(st.data())
def test_two_neighbours_swapped_are_a_slip(data):
    place = data.draw(st.integers(len(KEY.text) - 49, len(KEY.text) - 2))
    assume(KEY.text[place] != KEY.text[place + 1])

    with pytest.raises(Mistyped):
        read_key(KEY.text[:place] + KEY.text[place + 1] + KEY.text[place] + KEY.text[place + 2 :])


@given(st.text(max_size=200) | st.text(alphabet="eqk_u-par0123456789abcdefAZ", max_size=200))
def test_anything_that_is_no_key_is_refused_and_never_crashes(text):
    with pytest.raises(Unreadable) as refusal:
        read_key(text)

    assert len(text) < 12 or text not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.text + "\n",
        " " + KEY.text,
        KEY.text.upper(),
        KEY.text[:-1],
        KEY.text + "0",
        KEY.text.replace("eqk_eu", "eqk_еu"),  # a Cyrillic letter
        KEY.text[:-1] + "１",  # a full-width digit
        KEY.text[:-1] + "\u0661",  # an Arabic digit
        "eqk_" + "a" * 1_000_000,
        "sk-proj-0123456789",
        "\ud800",
        "\x00",
    ],
)
def test_a_text_of_another_shape_is_no_key(text):
    with pytest.raises(Unreadable):
        read_key(text)


@pytest.mark.parametrize("text", ["", "k-", "k-0123", "K-0123456789abcdef", KEY.text, "k-0123456789abcdeф"])
def test_an_id_of_another_shape_is_no_id(text):
    with pytest.raises(Unreadable):
        key_id(text)


@pytest.mark.parametrize("name", ["", "par", "EU-par", "eu_par", "eu-", "eu-par\n", "eu-parisparisparis", "éu-par"])
def test_a_cell_is_named_by_jurisdiction_and_place(name):
    with pytest.raises(Malformed):
        Cell(name)


# What the cell keeps


def test_nothing_that_is_kept_or_shown_holds_the_key(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)
    secret = made.text.text[-49:-6]

    shown = f"{made!r} {books.store.find(made.key.id)!r} {books.store.notices(9)!r} {books!r}"
    assert secret not in shown
    assert PEPPER.secret.hex() not in shown
    assert repr(PEPPER.secret) not in shown
    assert made.key.digest == PEPPER.digest(tenant.id, made.text.text)
    assert secret.encode() not in made.key.digest


def test_a_digest_depends_on_the_pepper_the_tenant_and_every_letter():
    other = Pepper(bytes(32))
    digests = {
        PEPPER.digest("t-0000000000000001", KEY.text),
        PEPPER.digest("t-0000000000000002", KEY.text),
        PEPPER.digest("t-0000000000000001", KEY.text[:-1] + "_"),
        other.digest("t-0000000000000001", KEY.text),
    }

    assert len(digests) == 4


def test_a_pepper_lies_in_a_file_of_its_owner_alone(tmp_path):
    pepper = make_pepper(tmp_path / "pepper", secrets.token_bytes)

    assert read_pepper(tmp_path / "pepper") == pepper
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600


def test_a_pepper_is_never_written_over(tmp_path):
    pepper = make_pepper(tmp_path / "pepper", secrets.token_bytes)

    with pytest.raises(Refused, match="exists already"):
        make_pepper(tmp_path / "pepper", secrets.token_bytes)
    assert read_pepper(tmp_path / "pepper") == pepper


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_pepper_that_others_can_read_is_refused(tmp_path, mode):
    make_pepper(tmp_path / "pepper", secrets.token_bytes)
    (tmp_path / "pepper").chmod(mode)

    with pytest.raises(Refused, match="chmod 600"):
        read_pepper(tmp_path / "pepper")


def test_a_missing_short_long_linked_or_strange_pepper_is_refused_by_what_is_wrong(tmp_path):
    make_pepper(tmp_path / "good", secrets.token_bytes)
    (tmp_path / "link").symlink_to(tmp_path / "good")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, size in (("short", 31), ("long", 33)):
        (tmp_path / name).write_bytes(bytes(size))
        (tmp_path / name).chmod(0o600)

    for name, words in {
        "none": "missing",
        "short": "has 31",
        "long": "has 33",
        "link": "not a link",
        "pipe": "not a plain file",
        ".": "not a plain file",
    }.items():
        with pytest.raises(Broken, match=words):
            read_pepper(tmp_path / name)


# What a key opens


def test_a_key_opens_what_its_tenant_may_do(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)

    assert ask(books, made.text.text) == Admitted(
        tenant=tenant.id, key=made.key.id, sla="standard", wish=Wish(), constraints=CEILING, con=CEILING.digest
    )


def test_a_key_narrows_its_tenant_and_a_request_its_key(books, tenant):
    wish = Wish(allowed_jurisdictions=frozenset({"EU"}), forbidden_lists=frozenset({"us-1260h"}))
    made = books.add_key(tenant.id, "farm", wish, NOW)

    admitted = ask(books, made.text.text)

    assert admitted.constraints == narrow(CEILING, wish)
    assert admitted.narrowed(Wish(allowed_jurisdictions=frozenset({"JP"}))).allowed_jurisdictions == frozenset()


@pytest.mark.parametrize(
    "wish",
    [
        Wish(allowed_jurisdictions=frozenset({"EU", "US"})),
        Wish(allowed_classes=frozenset({DataClass.RESTRICTED_EU})),
    ],
)
def test_a_key_that_wishes_for_more_than_its_tenant_has_is_not_made(books, tenant, wish):
    with pytest.raises(Refused, match="only narrow"):
        books.add_key(tenant.id, "farm", wish, NOW)

    assert books.store.keys(tenant.id) == []


def test_a_ceiling_that_is_lowered_later_lowers_its_keys(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(allowed_jurisdictions=frozenset({"EU", "JP"})), NOW)

    books.constrain(tenant.id, narrow(CEILING, Wish(allowed_jurisdictions=frozenset({"JP"}))), NOW)

    assert ask(books, made.text.text).constraints.allowed_jurisdictions == frozenset({"JP"})


def test_a_key_that_no_longer_fits_its_ceiling_opens_nothing(books, tenant):
    groups = [frozenset({f"c{number}"}) for number in range(5)]
    made = books.add_key(tenant.id, "farm", Wish(required_any=frozenset(groups[:1])), NOW)

    books.constrain(tenant.id, narrow(CEILING, Wish(required_any=frozenset(groups[1:]))), NOW)

    assert ask(books, made.text.text) == Rejected(Reason.CONTRADICTORY)


def test_a_key_of_another_cell_is_told_where_it_belongs_without_a_look_up(books):
    class Deaf(MemoryStore):
        def find(self, key):
            raise AssertionError("nobody had to look")

    there = mint(TOKYO, secrets.token_bytes)

    told = admit(there.text, store=Deaf(PARIS), pepper=PEPPER, now=NOW)

    assert told == Rejected(Reason.WRONG_CELL, TOKYO)
    assert TOKYO.jurisdiction == "JP"


def test_a_slip_of_the_hand_is_told_from_a_wrong_key(books, tenant):
    text = books.add_key(tenant.id, "farm", Wish(), NOW).text.text

    slip = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert ask(books, slip) == Rejected(Reason.MISTYPED)
    assert ask(books, mint(PARIS, secrets.token_bytes).text) == Rejected(Reason.UNKNOWN)
    assert ask(books, "hello") == Rejected(Reason.MALFORMED)


def test_a_known_id_with_another_secret_looks_like_an_unknown_key(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)
    name = bytes.fromhex(made.key.id.removeprefix("k-"))
    forged = mint(PARIS, lambda n: name if n == 8 else secrets.token_bytes(n))
    books.revoke(made.key.id, NOW)

    assert forged.id == made.key.id
    assert ask(books, forged.text) == Rejected(Reason.UNKNOWN)


def test_the_same_work_is_done_for_an_unknown_id(books, tenant, monkeypatch):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)
    work: list[str] = []

    def digest(*_):
        work.append("digest")
        return bytes(32)

    def compare(*_):
        work.append("compare")
        return False

    monkeypatch.setattr(Pepper, "digest", digest)
    monkeypatch.setattr("hmac.compare_digest", compare)

    ask(books, made.text.text)
    known, work[:] = list(work), []
    ask(books, mint(PARIS, secrets.token_bytes).text)

    assert work == known == ["digest", "compare"]


def test_an_unknown_key_stays_out_even_if_its_digest_were_the_placeholder(books, monkeypatch):
    monkeypatch.setattr(Pepper, "digest", lambda *arguments: bytes(32))

    assert ask(books, KEY.text) == Rejected(Reason.UNKNOWN)


def test_a_row_that_is_moved_to_another_tenant_opens_nothing(books, tenant, monkeypatch):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)
    rich = books.add_tenant("Rich", CEILING, "priority", NOW)
    monkeypatch.setattr(books.store, "find", lambda _: Known(rich, replace(made.key, tenant=rich.id)), raising=False)

    assert ask(books, made.text.text) == Rejected(Reason.UNKNOWN)


def test_a_key_ends_at_its_instant(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(), NOW, Instant(NOW + DAY))

    assert isinstance(ask(books, made.text.text, NOW + DAY - 1), Admitted)
    assert ask(books, made.text.text, NOW + DAY) == Rejected(Reason.EXPIRED)


def test_a_key_that_would_end_before_it_begins_is_not_made(books, tenant):
    with pytest.raises(Refused, match="later end"):
        books.add_key(tenant.id, "farm", Wish(), NOW, NOW)


@given(st.integers(0, 2**45))
def test_a_revoked_key_stays_revoked_wherever_the_clock_jumps(now):
    books = Registrar(MemoryStore(PARIS), PEPPER, secrets.token_bytes)
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    made = books.add_key(tenant.id, "farm", Wish(), NOW)
    books.revoke(made.key.id, NOW)

    assert ask(books, made.text.text, now) == Rejected(Reason.REVOKED)


def test_a_clock_before_the_key_was_made_lets_nobody_in(books, tenant):
    text = books.add_key(tenant.id, "farm", Wish(), NOW).text.text

    assert isinstance(ask(books, text, NOW - SKEW_MS), Admitted)
    assert ask(books, text, NOW - SKEW_MS - 1) == Rejected(Reason.EARLY)
    assert ask(books, text, 0) == Rejected(Reason.EARLY)


def test_a_closed_tenant_has_no_key_that_opens_and_a_ceiling_that_allows_nothing(books, tenant):
    made = books.add_key(tenant.id, "farm", Wish(), NOW)

    closed = books.close(tenant.id, NOW)

    assert ask(books, made.text.text) == Rejected(Reason.CLOSED)
    assert (closed.ceiling.allowed_jurisdictions, closed.ceiling.allowed_classes) == (frozenset(), frozenset())


# Rotation


@given(overlap=st.integers(0, 30 * DAY), later=st.integers(0, 60 * DAY))
def test_after_rotation_the_new_key_opens_and_the_old_one_until_the_overlap_ends(overlap, later):
    books = Registrar(MemoryStore(PARIS), PEPPER, secrets.token_bytes)
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    old = books.add_key(tenant.id, "farm", Wish(forbidden_ownership=frozenset({"US"})), NOW)
    new = books.rotate(old.key.id, overlap, NOW)

    opened = ask(books, new.text.text, NOW + later)
    assert (opened.tenant, opened.constraints.forbidden_ownership) == (tenant.id, {"US"})
    assert isinstance(ask(books, old.text.text, NOW + later), Admitted) == (later < overlap)


def test_rotation_never_lengthens_the_old_key(books, tenant):
    old = books.add_key(tenant.id, "farm", Wish(), NOW, Instant(NOW + DAY))

    new = books.rotate(old.key.id, 7 * DAY, Instant(NOW + DAY // 2))

    assert books.store.find(old.key.id).key.expires == NOW + DAY
    assert new.key.expires == NOW + DAY // 2 + DAY


def test_a_key_is_replaced_once(books, tenant):
    old = books.add_key(tenant.id, "farm", Wish(), NOW)
    new = books.rotate(old.key.id, DAY, NOW)

    with pytest.raises(Refused, match=new.key.id):
        books.rotate(old.key.id, DAY, NOW)


def test_a_key_that_opens_nothing_is_not_rotated(books, tenant):
    old = books.add_key(tenant.id, "farm", Wish(), NOW)
    books.revoke(old.key.id, NOW)

    with pytest.raises(Refused, match="revoked"):
        books.rotate(old.key.id, DAY, NOW)


def test_an_overlap_is_not_negative(books, tenant):
    old = books.add_key(tenant.id, "farm", Wish(), NOW)

    with pytest.raises(Refused, match="overlap"):
        books.rotate(old.key.id, -1, NOW)


def test_when_the_store_is_in_doubt_nobody_is_let_in(books, tenant, monkeypatch):
    text = books.add_key(tenant.id, "farm", Wish(), NOW).text.text

    def fail(_):
        raise Unavailable("The disk fails.")

    monkeypatch.setattr(books.store, "find", fail, raising=False)

    with pytest.raises(Unavailable):
        ask(books, text)
