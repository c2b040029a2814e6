"""Ranges of a film are those of RFC 9110, and permissions to upload cannot be forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.desk import Caller
from serving.dialects.grants import Grant, Hmac
from serving.dialects.origin import Origin
from serving.dialects.stream import Unsatisfiable, slice_of
from serving.errors import Forbidden

SIGNER = Hmac([b"k" * 32])
CALLER = Caller(tenant="t1", key="k-1", data_class="internal", decision="d")
GRANT = Grant(caller=CALLER, folder="a/t1/b", most=10, expires=1_000)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_names_a_part_or_nothing(header, part):
    assert slice_of(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=999-1000"])
def test_a_range_behind_the_end_is_refused(header):
    with pytest.raises(Unsatisfiable):
        slice_of(header, 100)


@given(st.integers(1, 10**6), st.text("bytes=-0123456789,", max_size=20))
def test_whatever_the_header_says_the_part_lies_within(total, header):
    try:
        part = slice_of(header, total)
    except Unsatisfiable:
        return
    assert part is None or 0 <= part[0] < part[1] <= total


def test_a_grant_is_read_as_it_was_written():
    assert Grant.read(GRANT.token(SIGNER), SIGNER, 999) == GRANT


def test_a_grant_ends_and_another_cell_does_not_believe_it():
    with pytest.raises(Forbidden, match="over"):
        Grant.read(GRANT.token(SIGNER), SIGNER, 1_000)
    with pytest.raises(Forbidden, match="not granted"):
        Grant.read(GRANT.token(SIGNER), Hmac([b"j" * 32]), 0)


def test_a_new_key_signs_while_the_old_one_is_still_believed():
    assert Grant.read(GRANT.token(SIGNER), Hmac([b"j" * 32, b"k" * 32]), 0) == GRANT


@given(st.data())
def test_a_grant_with_any_letter_changed_is_refused(data):
    token = GRANT.token(SIGNER)
    place = data.draw(st.integers(0, len(token) - 2))  # the last letter of base64 has bits that say nothing
    letter = data.draw(st.characters().filter(lambda found: found != token[place]))
    with pytest.raises(Forbidden):
        Grant.read(token[:place] + letter + token[place + 1 :], SIGNER, 0)


@pytest.mark.parametrize(
    "text", ["", "cell.example", "https://a.example/", "https://a.example/x", "ftp://a", "https://u@a"]
)
def test_an_origin_is_scheme_host_and_port_alone(text):
    with pytest.raises(ValueError, match="no origin"):
        Origin(text)
