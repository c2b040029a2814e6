"""Manifests: signed, found broken when a byte changes, and with what came before them inside."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import c2pa
import numpy as np
import pytest
from PIL import Image

from model.media import read_film
from serving.errors import BadMedia, Broken
from serving.media.marks.c2pa import Ingredient, Inspected, Residency, Standing, inspect, sign, try_ingredient
from serving.media.marks.certificate import development

RESIDENCY = Residency(
    origin="op.example/equerry/eu-par/residency/2026h2", request="ab" * 32, cell="eu-par", jurisdiction="EU"
)
PID = "0123456789ab"


@pytest.fixture(scope="module")
def signed(mp4, credential):
    return sign(mp4, credential, residency=RESIDENCY, pid=PID)


def picture(kind):
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out, kind)
    return out.getvalue()


def test_a_signed_film_says_what_it_is_and_where_its_record_lies(signed, credential):
    assert inspect(signed.body, credential.anchors) == Inspected(
        standing=Standing.TRUSTED, generated=True, residency=RESIDENCY, pid=PID, manifests=1
    )


def test_who_signed_is_unknown_to_those_who_do_not_trust_the_authority(signed, tmp_path):
    other = development(tmp_path, "jp-tyo", datetime.now(UTC))

    for anchors in ("", other.anchors):
        found = inspect(signed.body, anchors)
        assert (found.standing, found.problems) == (Standing.VALID, ("signingCredential.untrusted",))


def test_a_flipped_byte_of_the_picture_is_found(signed, credential):
    start = signed.body.index(b"mdat") + 4
    for place in np.linspace(start, len(signed.body) - 1, 25).astype(int):
        broken = bytearray(signed.body)
        broken[place] ^= 1

        found = inspect(bytes(broken), credential.anchors)

        assert (found.standing, found.problems) == (Standing.INVALID, ("assertion.bmffHash.mismatch",))


def test_a_flipped_bit_goes_unnoticed_in_names_and_lengths_of_boxes_alone(signed):
    """C2PA hashes neither the kind of the file nor the frame of the manifest; the log's digest of the file has both."""
    rng, shown = np.random.default_rng(0), signed.body.index(b"moov") - 4
    places = np.linspace(0, len(signed.body) - 1, 300).astype(int)

    missed = [place for place in places if holds(flipped(signed.body, place, int(rng.integers(8))))]

    assert all(place < shown for place in missed)
    assert len(missed) < 6


def flipped(body, place, bit):
    broken = bytearray(body)
    broken[place] ^= 1 << bit
    return bytes(broken)


def holds(body):
    try:
        return inspect(body).standing in (Standing.VALID, Standing.TRUSTED)
    except BadMedia:  # what is no film any more does not hold either
        return False


def test_what_is_written_into_the_signatures_padding_is_found(signed, credential):
    longest = max(re.finditer(rb"\0{64,}", signed.body), key=lambda zeros: zeros.end() - zeros.start())
    for place in (longest.start(), longest.start() + 300, longest.end() - 1):
        broken = bytearray(signed.body)
        broken[place] = 7

        found = inspect(bytes(broken), credential.anchors)

        assert (found.standing, found.problems) == (Standing.INVALID, ("org.equerry.paddingNotEmpty",))


def test_a_flipped_byte_of_the_manifest_is_found(signed, credential):
    for text in (b"2026h2", b"trainedAlgorithmicMedia", PID.encode()):
        broken = bytearray(signed.body)
        broken[signed.body.index(text)] ^= 1

        assert inspect(bytes(broken), credential.anchors).standing is Standing.INVALID


def test_a_film_without_a_manifest_says_nothing(mp4):
    assert inspect(mp4) == Inspected(standing=Standing.NONE)


@pytest.mark.parametrize("body", [b"", b"not a film", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_mp4_is_refused(body):
    with pytest.raises(BadMedia):
        inspect(body)


def test_the_film_plays_as_before(mp4, signed):
    before, after = (read_film(body, fps=Fraction(8), rate=8_000) for body in (mp4, signed.body))

    assert np.array_equal(before.frames, after.frames)
    assert np.array_equal(before.sound, after.sound)
    assert signed.body.index(b"moov") < signed.body.index(b"mdat")  # it still plays while it loads


def test_what_a_film_was_made_from_is_named_and_keeps_its_own_manifest(mp4, signed, credential):
    made = sign(
        mp4,
        credential,
        residency=RESIDENCY,
        pid=PID,
        ingredients=[Ingredient("source", signed.body), Ingredient("reference", picture("PNG"))],
    )

    found = inspect(made.body, credential.anchors)

    assert (found.standing, found.ingredients) == (Standing.TRUSTED, ("source", "reference"))
    assert found.manifests == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_of_any_kind_can_be_named(mp4, credential, kind):
    made = sign(mp4, credential, residency=RESIDENCY, pid=PID, ingredients=[Ingredient("first frame", picture(kind))])

    assert inspect(made.body, credential.anchors).ingredients == ("first frame",)


def test_a_manifest_that_does_not_hold_is_taken_in_and_one_that_cannot_be_read_is_refused(signed):
    for text, taken in ((b"2026h2", True), (b"cbor", False), (b"jumb", False)):
        broken = bytearray(signed.body)
        broken[signed.body.index(text)] ^= 1
        if taken:
            try_ingredient(bytes(broken))
        else:
            with pytest.raises(BadMedia, match="says of its origin"):
                try_ingredient(bytes(broken))


def test_no_pixel_of_what_is_given_goes_into_the_manifest(mp4, credential):
    given = picture("PNG")

    made = sign(mp4, credential, residency=RESIDENCY, pid=PID, ingredients=[Ingredient("first frame", given)])

    with c2pa.Reader("video/mp4", io.BytesIO(made.body)) as reader:
        assert "thumbnail" not in json.dumps(json.loads(reader.json()))
    assert given not in made.body


def test_a_key_that_does_not_answer_signs_nothing(mp4, credential):
    def silent(_):
        raise OSError("the key store is away")

    with pytest.raises(Broken, match="cannot be signed"):
        sign(mp4, replace(credential, sign=silent), residency=RESIDENCY, pid=PID)


@pytest.mark.parametrize("bent", [lambda _: b"", lambda _: b"x" * 30_000, lambda right: right[:-1] + b"\0"])
def test_a_wrong_signature_is_not_taken_for_a_right_one(mp4, credential, bent):
    wrong = replace(credential, sign=lambda data: bent(credential.sign(data)))

    with pytest.raises(Broken, match="cannot be signed"):
        sign(mp4, wrong, residency=RESIDENCY, pid=PID)


def test_a_signature_by_another_key_than_the_certificates_signs_nothing(mp4, credential, tmp_path):
    other = development(tmp_path, "another", datetime.now(UTC))

    with pytest.raises(Broken, match="cannot be signed"):
        sign(mp4, replace(credential, sign=other.sign), residency=RESIDENCY, pid=PID)


def test_a_certificate_that_has_expired_signs_nothing(mp4, tmp_path):
    old = development(tmp_path, "eu-par", datetime.now(UTC) - timedelta(days=800))

    with pytest.raises(Broken, match="cannot be signed"):
        sign(mp4, old, residency=RESIDENCY, pid=PID)


def test_films_are_signed_in_many_threads_at_once(mp4, credential):
    pids = [f"{number:012x}" for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        made = [*threads.map(lambda pid: sign(mp4, credential, residency=RESIDENCY, pid=pid), pids)]

    said = [inspect(each.body, credential.anchors) for each in made]
    assert [(each.standing, each.pid) for each in said] == [(Standing.TRUSTED, pid) for pid in pids]
