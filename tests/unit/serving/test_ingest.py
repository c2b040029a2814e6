"""Media that requests name, taken into the cell or refused."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from PIL import Image

from model.clip import Film, Size
from model.media import FilmLimits, ImageLimits, encode_film
from serving.errors import BadMedia, Conflict, TooLarge, UnknownJob
from serving.media.fetch import Fetcher
from serving.media.guard import Reach
from serving.media.ingest import Ingest
from serving.media.patience import Patience
from serving.media.prober import Prober
from serving.media.store import key, open_objects
from serving.media.uploads import Uploads
from serving.wish import Given, Role

TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # empty, since reading the system's takes a while


def png(width=40, height=30, seed=0) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def mp4(seconds=2, side=64) -> bytes:
    frames = np.zeros((seconds * 8, side, side * 2, 3), np.uint8)
    frames[:, :, :, 0] = np.arange(seconds * 8)[:, None, None] * 7
    return encode_film(Film(frames=frames, fps=Fraction(8), sound=np.zeros(seconds * 16_000, np.float32), rate=16_000))


PNG, MP4 = png(), mp4()
"""One of each, since encoding takes a while."""


async def pieces(body):
    yield body


class Counter:
    """Draws that differ, without chance."""

    def __init__(self):
        self.at = 0

    def __call__(self, size):
        self.at += 1
        return self.at.to_bytes(size, "big")


class House:
    """A cell's media, in a folder."""

    def __init__(self, folder, prober, reach):
        self.objects = open_objects(f"file://{folder}")
        self.uploads = Uploads(self.objects, most=1 << 20, draw=Counter(), now=lambda: 1_795_000_000_000)
        self.made = {}
        self.ingest = Ingest(
            self.objects, Fetcher(Patience(whole=5), resolve=self.resolve, trust=TRUST), prober, self.uploads,
            reach=lambda tenant: reach, film_of=self.film_of, draw=Counter(),
            images=ImageLimits(bytes=1 << 20, pixels=100_000), films=FilmLimits(bytes=1 << 20),
        )  # fmt: skip

    async def resolve(self, host, port):
        return [ip_address("127.0.0.1")]

    async def film_of(self, tenant, job):
        if (tenant, job) not in self.made:
            raise UnknownJob("There is no such job.")
        return self.made[tenant, job]

    async def take(self, tenant="t-1", **given):
        given = {"role": Role.FIRST_FRAME, "field": "input_reference"} | given
        return (await self.ingest.take(tenant, [Given(**given)]))[0]

    async def kept(self):
        return [each.key async for each in self.objects.older(datetime.now(UTC) + timedelta(days=1))]


@asynccontextmanager
async def house(folder, *, command=None, seconds=60, reach=None):
    limits = (ImageLimits(bytes=1 << 20, pixels=100_000), FilmLimits(bytes=1 << 20))
    prober = Prober(*limits, seconds=seconds, **({"command": command} if command else {}))
    try:
        yield House(folder, prober, reach or Reach())
    finally:
        await prober.aclose()


def within(folder, work, **options):
    async def run():
        async with house(folder, **options) as here:
            return await work(here)

    return asyncio.run(run())


def test_an_image_and_a_film_are_looked_at_and_kept_as_they_came(tmp_path):
    async def work(here):
        given = [
            Given(role=Role.SOURCE, field="video", body=MP4),
            Given(role=Role.REFERENCE, field="media[1].url", body=PNG),
        ]
        taken = await here.ingest.take("t-1", given)
        return taken, [await here.objects.get(each.stored) for each in taken]

    (film, image), bodies = within(tmp_path, work)

    assert bodies == [MP4, PNG]
    assert (film.role, film.size, film.seconds) == (Role.SOURCE, Size(128, 64), 2.0)
    assert (image.role, image.size, image.seconds) == (Role.REFERENCE, Size(40, 30), 0)
    assert image.stored.sha256 == hashlib.sha256(PNG).hexdigest()
    assert all(each.stored.key.startswith("t-1/given/") for each in (film, image))


HOSTILE = {
    "text": b"not an image at all",
    "cut": PNG[: len(PNG) // 2],
    "a film as an image": MP4,
    "too many pixels": png(400, 300),
    "too many bytes": b"\x89PNG\r\n\x1a\n" + bytes(1 << 20),
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "nothing": b"",
}


def test_what_is_no_image_is_refused_by_its_field_and_nothing_is_kept(tmp_path):
    async def work(here):
        told = []
        for name, body in HOSTILE.items():
            with pytest.raises(BadMedia) as refused:
                await here.take(body=body)
            told.append((name, refused.value.field, str(refused.value).startswith("input_reference: ")))
        return told, await here.kept()

    assert within(tmp_path, work) == ([(name, "input_reference", True) for name in HOSTILE], [])


def test_one_bad_piece_keeps_none(tmp_path):
    async def work(here):
        given = [Given(role=Role.REFERENCE, field="a", body=PNG), Given(role=Role.REFERENCE, field="b", body=b"no")]
        with pytest.raises(BadMedia) as refused:
            await here.ingest.take("t-1", given)
        return refused.value.field, await here.kept()

    assert within(tmp_path, work) == ("b", [])


def test_an_upload_is_found_by_its_id_and_by_its_granted_key(tmp_path):
    async def work(here):
        added = await here.uploads.add("t-1", "a.png", pieces(PNG))
        granted = await here.uploads.keep("t-1", "dashscope-instant/t-1/2026-11-21/9f/b ä.png", pieces(PNG))
        by_id = await here.take(file=added.id)
        by_key = await here.take(url="oss://dashscope-instant/t-1/2026-11-21/9f/b ä.png")
        return added, granted, by_id.size, by_key.size

    added, granted, *sizes = within(tmp_path, work)

    assert (added.name, added.bytes, added.created) == ("a.png", len(PNG), 1_795_000_000_000)
    assert granted.name == "b ä.png"
    assert sizes == [Size(40, 30)] * 2


def test_another_tenants_upload_is_like_one_that_never_was(tmp_path):
    async def work(here):
        added = await here.uploads.add("t-1", "a.png", pieces(PNG))
        await here.uploads.keep("t-1", "d/t-1/b.png", pieces(PNG))
        told = []
        for named in (
            {"file": added.id},
            {"file": "file_" + "0" * 32},
            {"file": f"../../t-1/uploads/{added.id}"},
            {"file": ""},
            {"url": "oss://d/t-1/b.png"},
            {"url": "oss://never"},
            {"url": "OSS://never"},
        ):
            with pytest.raises(BadMedia) as refused:
                await here.take("t-2", **named)
            told.append(str(refused.value))
        return told

    assert len(set(within(tmp_path, work))) == 1


def test_a_granted_key_keeps_its_first_content(tmp_path):
    async def work(here):
        first = await here.uploads.keep("t-1", "d/a.png", pieces(PNG))
        assert await here.uploads.keep("t-1", "d/a.png", pieces(PNG)) == first
        assert (await here.uploads.keep("t-2", "d/a.png", pieces(MP4))).bytes == len(MP4)
        with pytest.raises(Conflict):
            await here.uploads.keep("t-1", "d/a.png", pieces(MP4))
        with pytest.raises(TooLarge):
            await here.uploads.add("t-1", "big", pieces(bytes((1 << 20) + 1)))

    within(tmp_path, work)


def test_a_finished_film_of_the_same_tenant_can_be_gone_on_from(tmp_path):
    async def work(here):
        here.made["t-1", "5b0e"] = await here.objects.put(key("t-1", "films", "a.mp4"), MP4)
        taken = await here.take(role=Role.SOURCE, job="5b0e")
        with pytest.raises(UnknownJob):
            await here.take("t-2", role=Role.SOURCE, job="5b0e")
        return taken

    assert within(tmp_path, work).size == Size(128, 64)


def test_an_address_goes_through_the_guard(tmp_path):
    async def work(here):
        async def reply(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PNG)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reach = Reach(hosts=("a.test",), http=True, ports=frozenset({port}), inner=(ip_network("127.0.0.0/8"),))
            here.ingest._reach = {"t-1": reach, "t-2": Reach()}.__getitem__
            taken = await here.take(url=f"http://a.test:{port}/x.html")
            with pytest.raises(BadMedia):
                await here.take("t-2", url=f"http://a.test:{port}/x.html")
            for inside in ("http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"):
                with pytest.raises(BadMedia):
                    await here.take(url=inside)
        return taken

    assert within(tmp_path, work).size == Size(40, 30)


CRASHING = """
import os, signal, sys
sys.stdin.buffer.readline()
os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_decoder_that_crashes_takes_nobody_with_it(tmp_path):
    async def work(here):
        real = here.ingest._prober._command
        here.ingest._prober._command = (sys.executable, "-c", CRASHING)
        with pytest.raises(BadMedia, match="cannot be read"):
            await here.take(body=PNG)
        here.ingest._prober._command = real
        return await here.take(body=PNG)

    assert within(tmp_path, work).size == Size(40, 30)


def test_a_decoder_that_hangs_is_ended_and_the_next_piece_is_read(tmp_path):
    async def work(here):
        real = here.ingest._prober._command
        here.ingest._prober._command, here.ingest._prober._seconds = (
            (sys.executable, "-c", "import time; time.sleep(60)"),
            0.2,
        )
        with pytest.raises(BadMedia, match="too long"):
            await here.take(body=PNG)
        here.ingest._prober._command, here.ingest._prober._seconds = real, 60
        return await here.take(body=PNG)

    assert within(tmp_path, work).size == Size(40, 30)


HANGING = """
import sys, time
sys.stdin.buffer.readline()
time.sleep(60)
"""


def test_a_tenant_whose_media_take_long_does_not_hold_up_another(tmp_path):
    """There are two who look at media. One tenant never has both of them."""

    async def work(here):
        prober = here.ingest._prober
        real, prober._command = prober._command, (sys.executable, "-c", HANGING)
        slow = [asyncio.create_task(here.take(body=PNG)) for _ in range(4)]
        await asyncio.sleep(0.5)
        prober._command = real
        try:
            async with asyncio.timeout(30):
                return await here.take("t-2", body=PNG)
        finally:
            for each in slow:
                each.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    assert within(tmp_path, work).size == Size(40, 30)


def test_only_so_many_requests_of_one_tenant_hold_their_media_at_once(tmp_path):
    async def work(here):
        held, most = 0, 0

        async def fetch(*_, **__):
            nonlocal held, most
            held, most = held + 1, max(most, held + 1)
            await asyncio.sleep(0.05)
            held -= 1
            raise BadMedia("image", "nothing there")

        here.ingest._fetcher.fetch = fetch
        await asyncio.gather(
            *(here.take(url="https://a.test/x") for _ in range(6)),
            here.take("t-2", url="https://a.test/x"),
            return_exceptions=True,
        )
        return most

    assert within(tmp_path, work) == 3


def test_two_callers_never_hear_each_others_answers(tmp_path):
    async def work(here):
        bodies = [png(10 + n, 10) for n in range(6)]
        first = asyncio.create_task(here.take(body=PNG))
        await asyncio.sleep(0.05)
        first.cancel()
        return await asyncio.gather(*(here.take(body=body) for body in bodies))

    assert [taken.size.width for taken in within(tmp_path, work)] == [10, 11, 12, 13, 14, 15]
