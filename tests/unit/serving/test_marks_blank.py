"""Blanks: a film that is signed in one is what C2PA's library would have made of it."""

from __future__ import annotations

import io
import json
import re

import c2pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import Broken
from serving.media.marks import c2pa as manifests
from serving.media.marks.blank import NOBODY, SAMPLE, read_blank
from serving.media.marks.boxes import Unfamiliar, boxes, make_room
from serving.media.marks.c2pa import Residency, Standing, inspect, sign
from serving.media.marks.certificate import expires

RESIDENCY = Residency(
    origin="op.example/equerry/eu-par/residency/2026h2", request="ab" * 32, cell="eu-par", jurisdiction="EU"
)
PID = "0123456789ab"
OWN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")  # a name drawn for one film


@pytest.fixture
def library(monkeypatch):
    """What signs without a blank."""

    def signed(*args, **kwargs):
        with monkeypatch.context() as without:
            without.setattr(manifests, "_kept_blank", lambda *_: None)
            return sign(*args, **kwargs)

    return signed


def told(body):
    """All that C2PA's reader says, but for names that were drawn."""
    with c2pa.Reader("video/mp4", io.BytesIO(body)) as reader:
        return json.loads(OWN.sub("NAME", reader.json()))


def test_a_film_signed_in_a_blank_is_the_librarys(mp4, credential, library):
    ours, theirs = (by(mp4, credential, residency=RESIDENCY, pid=PID).body for by in (sign, library))
    manifest = next(box for box in boxes(ours, 0, len(ours)) if box.kind == b"uuid")

    assert told(ours) == told(theirs)
    assert (len(ours), ours[: manifest.start]) == (len(theirs), theirs[: manifest.start])
    assert ours[manifest.end :] == theirs[manifest.end :]


def test_the_library_writes_one_manifest_of_a_cell(mp4, credential, monkeypatch):
    written, by = [], manifests._written

    def counted(*given):
        written.append(given)
        return by(*given)

    monkeypatch.setattr(manifests, "_written", counted)
    manifests._kept_blank.cache_clear()

    for pid in (PID, "ba" * 6, "cd" * 6):
        assert inspect(sign(mp4, credential, residency=RESIDENCY, pid=pid).body).pid == pid

    assert len(written) == 1


def test_no_two_films_share_a_name_or_a_salt(mp4, credential):
    first, second = (sign(mp4, credential, residency=RESIDENCY, pid=PID).body for _ in range(2))

    for drawn in (OWN.pattern.encode(), rb"\0\0\0\x18c2sh(?s:.{16})"):
        assert set(re.findall(drawn, first)).isdisjoint(re.findall(drawn, second))
        assert re.findall(drawn, first)


def box(kind, *inside):
    body = b"".join(inside)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def track(chunks):
    table = box(b"stco", bytes(4), len(chunks).to_bytes(4, "big"), *(at.to_bytes(4, "big") for at in chunks))
    return box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stsz", bytes(12)), table))))


CHUNKS = st.lists(st.integers(0, 1 << 30), max_size=5)
FILMS = st.builds(
    lambda tracks, space, media: b"".join(
        (SAMPLE[:20], box(b"moov", *map(track, tracks)), *(box(b"free", bytes(n)) for n in space), *media)
    ),
    st.lists(CHUNKS, min_size=1, max_size=3),
    st.lists(st.integers(0, 9), max_size=2),
    st.lists(st.binary(max_size=99).map(lambda body: box(b"mdat", body)), min_size=1, max_size=2),
)


@given(film=FILMS)
@settings(max_examples=30)
def test_whatever_index_and_media_a_film_has_the_library_finds_nothing_amiss(credential, film):
    made = sign(film, credential, residency=RESIDENCY, pid=PID).body

    assert inspect(made, credential.anchors).standing is Standing.TRUSTED


@given(chunks=CHUNKS, room=st.integers(8, 1 << 20))
def test_every_chunk_is_found_as_much_further_on(chunks, room):
    film = b"".join((SAMPLE[:20], box(b"moov", track(chunks)), box(b"mdat", b"media")))

    made = make_room(film, room).filled(bytes(room))

    assert made == b"".join(
        (SAMPLE[:20], bytes(room), box(b"moov", track([at + room for at in chunks])), box(b"mdat", b"media"))
    )


@pytest.mark.parametrize(
    "film",
    [
        b"",
        SAMPLE[:-1],
        SAMPLE[20:],
        SAMPLE + box(b"moof"),
        b"".join((SAMPLE[:20], box(b"moov", track([(1 << 32) - 9])))),
        SAMPLE.replace(b"stco", b"co64"),
    ],
)
def test_films_of_other_kinds_are_left_to_the_library(film):
    with pytest.raises(Unfamiliar):
        make_room(film, 9)


def test_a_film_of_another_kind_is_signed_too(mp4, credential):
    made = sign(mp4 + box(b"skip", bytes(9)), credential, residency=RESIDENCY, pid=PID).body

    assert inspect(made, credential.anchors).standing is Standing.TRUSTED


def test_texts_of_another_length_are_signed_too(mp4, credential):
    made = sign(mp4, credential, residency=RESIDENCY, pid=PID + "cd").body

    assert (inspect(made, credential.anchors).standing, inspect(made).pid) == (Standing.TRUSTED, PID + "cd")


def test_what_cannot_be_made_again_is_no_blank(credential):
    request, pid = "e1" * 32, "e2" * 6
    asked: list[bytes] = []

    def nobody(data):
        asked.append(data)
        return NOBODY

    made = manifests._written(
        SAMPLE,
        nobody,
        credential.chain,
        manifests._definition(Residency(origin="o", request=request, cell="c", jurisdiction="EU"), pid, 0),
        (),
        "",
    )[0]
    assert read_blank(made, asked[0], request=request, pid=pid).box in made

    for bent in (
        made.replace(pid.encode(), b"e3" * 6),
        made.replace(b"trained", b"drained"),
        made.replace(b"c2sh", b"c2sx"),
        made[:-1],
    ):
        with pytest.raises(ValueError, match=r".+"):
            read_blank(bent, asked[0], request=request, pid=pid)
    with pytest.raises(Unfamiliar):
        read_blank(made, asked[0][:-1], request=request, pid=pid)


def test_a_certificate_that_expires_while_the_cell_runs_signs_nothing_more(mp4, credential):
    sign(mp4, credential, residency=RESIDENCY, pid=PID, now=lambda: expires(credential.chain) - 1)

    with pytest.raises(Broken, match="expired"):
        sign(mp4, credential, residency=RESIDENCY, pid=PID, now=lambda: expires(credential.chain))
