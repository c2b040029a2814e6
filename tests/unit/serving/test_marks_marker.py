"""The marker: everything on a film before it leaves, or no film."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest

from model.clip import Film, Mode, Size
from model.errors import BadSize
from model.media import encode_film
from model.train.codecs import any_scene
from model.world.render import render
from policies.log.entry import Marked, Stamp, encode
from serving.errors import Broken, Unavailable
from serving.media.marks import detect, pid_of
from serving.media.marks.c2pa import Residency, Standing, inspect
from serving.media.marks.certificate import development
from serving.media.marks.label import label
from serving.media.marks.marker import CellMarker, request_digest
from serving.order import Piece
from serving.studio.marker import Form
from serving.wish import Role

KEY = b"k" * 32
JOB = SimpleNamespace(id="0" * 31 + "1", tenant=f"t-{'0' * 16}")
ORIGIN = "op.example/equerry/eu-par/residency/2026h2"


def order(*pieces, watermark=False):
    wish = SimpleNamespace(watermark=watermark, mode=Mode.T2V)
    return SimpleNamespace(wish=wish, pieces=pieces)


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    return development(tmp_path_factory.mktemp("marks"), "eu-par", datetime.now(UTC))


@pytest.fixture(scope="module")
def film():
    frames = render(any_scene(np.random.default_rng(5), Size(64, 64)), 16)
    noise = np.random.default_rng(0).normal(0, 0.05, 16_000)
    return Film(frames=frames, fps=Fraction(8), sound=noise.astype(np.float32), rate=8_000)


@pytest.fixture
def marker(credential):
    return CellMarker(
        key=KEY, credential=credential, fetch=lambda _: b"", origin=ORIGIN, cell="eu-par", jurisdiction="EU"
    )


def test_a_film_leaves_with_every_mark_and_all_of_them_agree(marker, film, credential):
    delivery = marker.deliver(film, JOB, order())

    said, found = inspect(delivery.body, credential.anchors), detect(delivery.body, KEY)
    assert found is not None
    assert min(found.picture, found.sound) > 0
    assert said.standing is Standing.TRUSTED
    assert said.residency == Residency(origin=ORIGIN, request=request_digest(JOB.id), cell="eu-par", jurisdiction="EU")
    assert said.pid == found.pid == delivery.watermark.pid == pid_of(KEY, JOB.id)


def test_a_film_is_compressed_as_it_is_shown_with_the_marks_of_a_whole_one(marker, film, monkeypatch):
    monkeypatch.setattr(CellMarker, "sign", lambda _self, body, *_: SimpleNamespace(body=body, manifest="0" * 64))
    seen: list[np.ndarray] = []

    marking = marker.begin(Form(size=film.size, fps=film.fps, rate=film.rate), JOB, order(), seen.append)
    for start in range(0, 16, 4):
        marking.add(film.frames[start : start + 4])

    whole = marker.watermark(film, pid_of(KEY, JOB.id))
    assert marking.deliver(film.sound).body == encode_film(whole)
    assert np.array_equal(np.concatenate(seen), whole.frames)


def test_a_films_request_is_the_logs_as_a_digest():
    assert request_digest("ab") == sha256(b"r-ab").hexdigest()


def test_the_log_takes_what_a_delivery_says(marker, film):
    delivery = marker.deliver(film, JOB, order(watermark=True))
    stamp = Stamp(ts=1_790_000_000_000, id="0" * 32, salt="0" * 32, w=f"w-{'0' * 16}", n=0)

    entry = Marked(
        ten=JOB.tenant,
        req=f"r-{JOB.id}",
        out=sha256(delivery.body).hexdigest(),
        c2pa=delivery.c2pa,
        wm=delivery.watermark,
        vis=delivery.label,
    )

    assert b'"alg":"equerry"' in encode(entry, stamp)


def test_what_a_film_was_made_from_is_fetched_and_named_by_what_it_is_for(marker, film, credential):
    body = encode_film(film)
    pieces = [Piece(role=role, key="t-acme/x", sha256="", bytes=len(body)) for role in Role]

    delivery = replace(marker, fetch=lambda _: body).deliver(film, JOB, order(*pieces))

    assert inspect(delivery.body, credential.anchors).ingredients == ("first frame", "reference", "source")


def gone(_):
    raise Unavailable("The store is away.")


def mute(_):
    raise OSError("The key is away.")


def test_nothing_is_delivered_when_a_piece_cannot_be_read(marker, film):
    with pytest.raises(Unavailable):
        replace(marker, fetch=gone).deliver(film, JOB, order(Piece(role=Role.SOURCE, key="k", sha256="", bytes=1)))


def test_nothing_is_delivered_when_the_key_does_not_sign(marker, film, credential):
    with pytest.raises(Broken):
        replace(marker, credential=replace(credential, sign=mute)).deliver(film, JOB, order())


def test_nothing_is_delivered_when_the_film_cannot_be_encoded(marker, film):
    with pytest.raises(BadSize):
        marker.deliver(replace(film, frames=film.frames[:, :63, :63]), JOB, order())


@pytest.mark.parametrize("wanted", [True, False])
def test_the_label_is_there_when_it_is_wanted(marker, film, wanted):
    delivery = marker.deliver(film, JOB, order(watermark=wanted))

    assert delivery.label is wanted


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (720, 1280), (32, 32)])
@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_label_is_small_and_can_be_read_on_any_ground(shape, ground):
    frames = np.full((2, *shape, 3), ground, np.uint8)

    labelled = label(frames)

    changed = (labelled != frames).any(-1)
    corner = labelled[0][changed[0]] if ground else labelled[0][-shape[0] // 4 :, -shape[1] // 4 :]
    assert changed.mean() < 0.16
    assert not changed[:, : shape[0] // 2].any()
    assert int(corner.max()) - int(corner.min()) >= 100
