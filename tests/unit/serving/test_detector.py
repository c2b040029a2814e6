"""Asking whether a film was made here: by the door of the native API, with the decoder in a process of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from model.clip import Film, Size
from model.media import encode_film, read_film
from model.train.codecs import any_scene
from model.world.render import render
from model.world.sound import sound
from serving.desk import Caller
from serving.detector import CellDetector, Turns
from serving.dialects.app import application, described
from serving.dialects.caller import CALLER
from serving.dialects.grants import Hmac
from serving.dialects.origin import Origin
from serving.errors import BadMedia, Limited
from serving.media.marks import CellMarker, pid_of
from serving.media.marks.c2pa import Inspected, Residency, Standing
from serving.media.marks.certificate import development
from serving.media.marks.detect import Found
from serving.media.marks.sighting import Sighting
from serving.media.prober import Prober

KEY, JOB = b"k" * 32, "0" * 31 + "1"
MOST = 100_000
RESIDENCY = Residency(
    origin="op.example/equerry/eu-par/residency/2026h2", request="ab" * 32, cell="eu-par", jurisdiction="EU"
)
SEEN = Sighting(
    Found(pid="0123456789ab", picture=0.9, sound=0.0),
    Inspected(standing=Standing.INVALID, problems=("assertion.bmffHash.mismatch",), residency=RESIDENCY, pid="0" * 12),
)


class Fake:
    """Has seen whatever it is told."""

    most = MOST

    async def sight(self, body: bytes) -> Sighting:
        if body == b"no film":
            raise BadMedia("body", "body: this cannot be read.")
        return SEEN


def doors(**more: Any):
    nobody: Any = SimpleNamespace()
    return application(
        nobody, Origin("https://cell.example"), signer=Hmac([b"k" * 32]), now=lambda: 0, new_id=str, region="x", **more
    )


def post(app, body=b"film", *, known=True):
    async def gate(scope, receive, send):
        if known:
            scope[CALLER] = Caller(tenant="t1", key="k-1", data_class="internal", decision="")
        await app(scope, receive, send)

    async def once():
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="https://cell.example") as client:
            return await client.post("/v1/detect", content=body)

    return asyncio.run(once())


def test_the_door_says_what_the_marks_say():
    answer = post(doors(detector=Fake()))

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "generated": True,
            "watermark": {"id": "0123456789ab", "picture": 0.9, "sound": 0.0},
            "manifest": {
                "standing": "invalid",
                "problems": ["assertion.bmffHash.mismatch"],
                "generated": False,
                "log": RESIDENCY.origin,
                "request": "ab" * 32,
            },
        },
    )


@pytest.mark.parametrize(
    ("body", "known", "status"), [(b"film", False, 401), (b" " * (MOST + 1), True, 413), (b"no film", True, 400)]
)
def test_the_door_refuses_strangers_what_is_too_large_and_what_is_no_film(body, known, status):
    answer = post(doors(detector=Fake()), body, known=known)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_without_a_detector_there_is_no_door():
    assert post(doors()).status_code == 404


def test_the_door_is_described():
    told = described(doors(detector=Fake()))["paths"]["/v1/detect"]["post"]

    assert told["requestBody"]["required"] is True
    assert set(told["responses"]) >= {"200", "400", "401", "413"}


def test_a_sighting_travels_as_json_and_comes_back_whole():
    for each in (SEEN, Sighting(None, Inspected(standing=Standing.NONE))):
        assert Sighting.read(each.plain()) == each


def test_a_manifest_that_does_not_hold_makes_no_film_generated():
    said = Inspected(standing=Standing.INVALID, generated=True)

    assert not Sighting(None, said).generated
    assert Sighting(None, replace(said, standing=Standing.VALID)).generated


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    return development(tmp_path_factory.mktemp("marks"), "eu-par", datetime.now(UTC))


@pytest.fixture(scope="module")
def film():
    scene = any_scene(np.random.default_rng(5), Size(64, 64))
    return Film(frames=render(scene, 16), fps=Fraction(8), sound=sound(scene, 16), rate=8_000)


def sighted(bodies, credential):
    async def once():
        prober = Prober(at_once=1)
        detector = CellDetector(prober=prober, key=KEY, anchors=credential.anchors, most=MOST)
        try:
            return [await detector.sight(body) for body in bodies]
        finally:
            await prober.aclose()

    return asyncio.run(once())


def test_films_are_known_in_another_process_intact_and_encoded_anew(film, credential):
    job: Any = SimpleNamespace(id=JOB)
    order: Any = SimpleNamespace(wish=SimpleNamespace(watermark=False), pieces=())
    marker = CellMarker(
        key=KEY, credential=credential, fetch=lambda _: b"", origin=RESIDENCY.origin, cell="eu-par", jurisdiction="EU"
    )
    delivered = marker.deliver(film, job, order).body
    anew = encode_film(read_film(delivered, fps=Fraction(8), rate=48_000))

    intact, encoded, unmarked = sighted([delivered, anew, encode_film(film)], credential)

    assert (intact.manifest.standing, encoded.manifest.standing) == (Standing.TRUSTED, Standing.NONE)
    assert [seen.mark and seen.mark.pid for seen in (intact, encoded)] == [pid_of(KEY, JOB)] * 2
    assert (unmarked.mark, unmarked.generated) == (None, False)


@pytest.mark.parametrize("body", [b"", b"not a film", b"\0\0\0\x18ftypisom" + b"\0" * 64])
def test_what_is_no_film_is_refused_and_the_next_film_is_read_all_the_same(body, film, credential):
    async def once():
        prober = Prober(at_once=1)
        detector = CellDetector(prober=prober, key=KEY, anchors="", most=MOST)
        try:
            with pytest.raises(BadMedia):
                await detector.sight(body)
            return await detector.sight(encode_film(film))
        finally:
            await prober.aclose()

    assert asyncio.run(once()).mark is None


# Turns


def test_a_tenant_has_two_films_looked_at_and_then_as_many_again():
    turns = Turns(each=2, whole=16)
    with turns.of("t1"), turns.of("t1"), pytest.raises(Limited) as refusal, turns.of("t1"):
        pass

    assert refusal.value.retry_after == 5
    with turns.of("t1"), turns.of("t1"):
        pass


def test_two_tenants_cannot_take_all_turns_from_a_third():
    turns = Turns(each=2, whole=4)
    with turns.of("t1"), turns.of("t1"):
        with turns.of("t2"), turns.of("t3"):  # half are taken, so each new tenant has one
            pass
        with turns.of("t2"), pytest.raises(Limited), turns.of("t2"):
            pass


def test_all_together_have_a_bound():
    turns = Turns(each=1, whole=2)
    with turns.of("t1"), turns.of("t2"), pytest.raises(Limited), turns.of("t3"):
        pass


def test_a_film_that_cannot_be_read_gives_its_turn_back():
    turns = Turns(each=1)
    with pytest.raises(BadMedia), turns.of("t1"):
        raise BadMedia("body", "x")

    with turns.of("t1"):
        pass


def test_the_door_turns_away_a_third_film_of_one_tenant_before_it_reads_it():
    read: list[int] = []

    class Slow(Fake):
        async def sight(self, body: bytes) -> Sighting:
            read.append(len(body))
            await asyncio.sleep(0.2)
            return SEEN

    app = doors(detector=Slow())

    async def gate(scope, receive, send):
        scope[CALLER] = Caller(tenant="t1", key="k-1", data_class="internal", decision="")
        await app(scope, receive, send)

    async def thrice():
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="https://cell.example") as client:
            return await asyncio.gather(*(client.post("/v1/detect", content=b"film") for _ in range(3)))

    answers = asyncio.run(thrice())

    assert sorted(each.status_code for each in answers) == [200, 200, 429]
    assert next(each for each in answers if each.status_code == 429).headers["retry-after"] == "5"
    assert len(read) == 2
