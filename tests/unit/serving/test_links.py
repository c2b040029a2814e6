"""Signed links, and the answers to requests for parts of what they open."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serving.errors import Broken, Expired, Forbidden
from serving.media.links import LinkKey, Links, Opened

OLD, NEW = LinkKey("k-1", b"1" * 32), LinkKey("k-2", b"2" * 32)
LINKS = Links("eu-par", (NEW, OLD))
PATH, NOW, END = "/content/5b0e/a.mp4", 1_795_000_000, 1_795_086_400


def opened(link, *, method="GET", now=NOW, links=LINKS):
    path, _, query = link.partition("?")
    return links.check(method, path, query, now=now)


def sign(links=LINKS, **changes):
    return links.sign(**{"path": PATH, "tenant": "t-1", "expires": END} | changes)


@given(st.from_regex(r"/[a-z0-9/._~-]{0,40}", fullmatch=True), st.integers(NOW + 1, 10**14))
def test_a_link_opens_what_it_was_made_for(path, expires):
    assert opened(sign(path=path, expires=expires)) == Opened("t-1", expires)


@given(st.data())
def test_a_link_with_any_letter_changed_opens_nothing(data):
    link = sign()
    place = data.draw(st.integers(0, len(link) - 1))
    letter = data.draw(st.sampled_from("abXY019-_=&/?%. +") | st.characters())
    assume(letter != link[place])

    with pytest.raises(Forbidden):
        opened(link[:place] + letter + link[place + 1 :])


@given(st.text(max_size=5), st.integers(0, 250))
def test_a_link_with_anything_added_opens_nothing(more, place):
    assume(more)
    link = sign()

    with pytest.raises(Forbidden):
        opened(link[:place] + more + link[place:])


@given(st.integers(0, 249))
def test_a_link_that_was_cut_opens_nothing(length):
    link = sign()
    assume(length < len(link))

    with pytest.raises(Forbidden):
        opened(link[:length])


def test_a_link_ends_at_its_moment():
    assert opened(sign(), now=END - 1).expires == END
    with pytest.raises(Expired):
        opened(sign(), now=END)


def test_a_link_of_another_cell_opens_nothing_though_the_keys_are_the_same():
    with pytest.raises(Forbidden):
        opened(sign(Links("eu-fra", (NEW, OLD))))


def test_a_link_is_for_its_method_and_get_allows_head():
    assert opened(sign(), method="HEAD").tenant == "t-1"
    for method in ("PUT", "POST", "DELETE", "get"):
        with pytest.raises(Forbidden):
            opened(sign(), method=method)
    assert opened(sign(method="PUT"), method="PUT").tenant == "t-1"


def test_keys_overlap_while_they_change():
    before = sign(Links("eu-par", (OLD,)))

    assert opened(before, links=LINKS).tenant == "t-1"
    assert "key=k-2" in sign()
    with pytest.raises(Forbidden):
        opened(before, links=Links("eu-par", (NEW,)))


def test_nothing_of_a_key_is_in_a_link_or_in_what_is_printed():
    assert "1111" not in sign() + repr(OLD) + repr(LINKS)


def test_a_weak_or_nameless_key_signs_nothing():
    for make in (
        lambda: LinkKey("k-1", b"short"),
        lambda: LinkKey("K 1", b"1" * 32),
        lambda: Links("eu-par", ()),
        lambda: Links("eu-par", (OLD, LinkKey("k-1", b"3" * 32))),
        lambda: sign(path="/a?b"),
        lambda: sign(path="a"),
        lambda: sign(tenant="t&1"),
        lambda: sign(expires=0),
    ):
        with pytest.raises(Broken):
            make()
