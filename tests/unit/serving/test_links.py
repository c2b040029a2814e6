"""Signed links, and the answers to requests for parts of what they open."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from serving.errors import Broken, Expired, Forbidden
from serving.media.links import LinkKey, Links, Opened
from serving.media.ranges import content_response, etag

OLD, NEW = LinkKey("k-1", b"1" * 32), LinkKey("k-2", b"2" * 32)
LINKS = Links("eu-par", (NEW, OLD))
PATH, NOW, END = "/content/5b0e/a.mp4", 1_795_000_000, 1_795_086_400
TAG = etag("ab" * 32)


def opened(link, *, method="GET", now=NOW, links=LINKS):
    path, _, query = link.partition("?")
    return links.check(method, path, query, now=now)


def sign(links=LINKS, **changes):
    return links.sign(**{"path": PATH, "tenant": "t-1", "expires": END} | changes)


@settings(deadline=None)
@given(st.from_regex(r"/[a-z0-9/._~-]{0,40}", fullmatch=True), st.integers(NOW + 1, 10**14))
def test_a_link_opens_what_it_was_made_for(path, expires):
    assert opened(sign(path=path, expires=expires)) == Opened("t-1", expires)


@settings(deadline=None)
@given(st.data())
def test_a_link_with_any_letter_changed_opens_nothing(data):
    link = sign()
    place = data.draw(st.integers(0, len(link) - 1))
    letter = data.draw(st.sampled_from("abXY019-_=&/?%. +") | st.characters())
    assume(letter != link[place])

    with pytest.raises(Forbidden):
        opened(link[:place] + letter + link[place + 1 :])


@settings(deadline=None)
@given(st.text(max_size=5), st.integers(0, 250))
def test_a_link_with_anything_added_opens_nothing(more, place):
    assume(more)
    link = sign()

    with pytest.raises(Forbidden):
        opened(link[:place] + more + link[place:])


@settings(deadline=None)
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


def ask(method="GET", size=1_000, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return content_response(method, named, size=size, tag=TAG, mime="video/mp4")


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-", 206, 0, 1_000),
        ("bytes=10-19", 206, 10, 20),
        ("BYTES=10-19", 206, 10, 20),
        ("bytes= 10-19 ", 206, 10, 20),
        ("bytes=990-5000", 206, 990, 1_000),
        ("bytes=-10", 206, 990, 1_000),
        ("bytes=-5000", 206, 0, 1_000),
        ("bytes=999999999-", 416, 0, 0),
        ("bytes=1000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=" + "9" * 5_000 + "-", 416, 0, 0),
        ("bytes=0-" + "9" * 5_000, 206, 0, 1_000),
        ("bytes=-" + "9" * 5_000, 206, 0, 1_000),
        ("bytes=20-10", 200, 0, 1_000),
        ("bytes=0-1,5-6", 200, 0, 1_000),
        ("bytes=", 200, 0, 1_000),
        ("bytes=-", 200, 0, 1_000),
        ("bytes=a-b", 200, 0, 1_000),
        ("bytes=+1-2", 200, 0, 1_000),
        ("bytes=٣-٤", 200, 0, 1_000),
        ("lines=0-1", 200, 0, 1_000),
        ("", 200, 0, 1_000),
    ],
)
def test_one_range_is_served_and_what_is_none_is_overlooked(asked, status, start, end):
    answer = ask(range=asked)

    assert (answer.status, answer.start, answer.end) == (status, start, end)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60) | st.none())
@example(0, 0, None)
def test_a_range_says_exactly_what_follows(size, first, last):
    answer = ask(size=size, range=f"bytes={first}-{'' if last is None else last}")

    if answer.status == 206:
        body = bytes(range(size))[answer.start : answer.end]
        assert body == bytes(range(size))[first : None if last is None else last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(body) - 1}/{size}"
        assert answer.headers["content-length"] == str(len(body)) != "0"
    elif answer.status == 416:
        assert first >= size
        assert answer.headers["content-range"] == f"bytes */{size}"
    else:
        assert answer.headers["content-length"] == str(size)
        assert last is not None
        assert last < first


def test_head_tells_the_length_of_the_whole_and_sends_nothing():
    answer = ask("HEAD", range="bytes=0-9")

    assert (answer.status, answer.start, answer.end) == (200, 0, 0)
    assert answer.headers["content-length"] == "1000"


def test_a_range_of_what_has_changed_since_is_the_whole():
    assert ask(range="bytes=0-9", if_range=TAG).status == 206
    for other in (f"W/{TAG}", '"other"', "Sat, 21 Nov 2026 10:00:00 GMT", ""):
        assert ask(range="bytes=0-9", if_range=other).status == 200


def test_preconditions_come_before_ranges():
    assert ask(range="bytes=0-9", if_none_match=TAG).status == 304
    assert ask(if_none_match=f'"x", W/{TAG}').status == 304
    assert ask(if_none_match="*").status == 304
    assert ask(if_none_match='"x"').status == 200
    assert ask(range="bytes=9999-", if_match='"x"').status == 412
    assert ask(if_match=f"W/{TAG}").status == 412
    assert ask(if_match=f'"x", {TAG}', range="bytes=0-9").status == 206


def test_only_an_answer_with_content_names_its_type():
    assert "content-type" in ask().headers
    assert "content-type" in ask(range="bytes=0-9").headers
    assert "content-type" not in ask(range="bytes=9999-").headers | ask(if_none_match="*").headers
