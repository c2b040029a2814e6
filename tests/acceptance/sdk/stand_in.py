"""A cell without a gate, a store or a model: the dialects before a desk in memory, on a port of this machine.

It takes a key's name from a table where the gate would decide.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from hashlib import sha256
from uuid import uuid4

import numpy as np
import uvicorn
from starlette.responses import Response

from model.clip import Film
from serving.desk import Caller
from serving.dialects.answers import error_response
from serving.dialects.app import application
from serving.dialects.caller import CALLER
from serving.dialects.dashscope import UPLOADS
from serving.dialects.films import FILMS
from serving.dialects.grants import Hmac
from serving.dialects.origin import Origin
from serving.errors import Unauthenticated
from serving.jobs.job import Job
from serving.media.links import LinkKey, Links
from serving.wish import Audio, Wish
from tests.acceptance.sdk.desk_twin import House, TwinDesk

REGION = "eu-par"
OPEN = ("/v1/jobs/openapi.json", UPLOADS, FILMS)  # doors that ask for no key

#: Tenants by what their operator has settled; each has one key, `key-<name>`.
HOUSES = {
    "acme": House(),
    "other": House(),
    "broke": House(quota=0),
    "hasty": House(wait=1),
    "held": House(held=True),
    "strict": House(forbidden=("forbidden",)),
    "unlucky": House(failing=("moderation_blocked", "The output was blocked by the safety filter.")),
    "narrow": House(models=("sora-2",)),
}
KEYS = {f"key-{name}": name for name in HOUSES}


def tiny_film(wish: Wish, media: Sequence[bytes]) -> Film:
    """A few coloured frames and a tone, of exactly the size and the length that are wanted."""
    assert wish.size is not None
    assert wish.seconds is not None
    frames = 8 * wish.seconds
    colour = np.frombuffer(sha256(f"{wish.prompt}{wish.seed}".encode() + b"".join(media)).digest()[:3], np.uint8)
    pixels = np.broadcast_to(colour, (frames, wish.size.height, wish.size.width, 3)).copy()
    for frame in range(frames):
        pixels[frame, :, : wish.size.width * (frame + 1) // frames] //= 2
    times = np.arange(frames * 1_000) / 8_000
    loud = 0.0 if wish.audio is Audio.NONE else 0.2
    return Film(frames=pixels, fps=Fraction(8), sound=(loud * np.sin(2 * np.pi * 440 * times)).astype("f4"), rate=8_000)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def hexadecimal() -> str:
    """A fresh id."""
    return uuid4().hex


class StandIn:
    """Pure ASGI: who asks, then the dialects."""

    def __init__(self, origin: Origin, houses: Mapping[str, House] = HOUSES) -> None:
        links = Links(REGION, (LinkKey("test", b"another key of this test, 32 bytes"),))

        def link(job: Job) -> str:
            until = (job.expires or 0) // 1000
            return origin.url(links.sign(f"{FILMS}{job.id}/film.mp4", tenant=job.tenant, expires=until))

        desk = TwinDesk(tiny_film, now=now, new_id=hexadecimal, link=link, houses=houses)
        signer = Hmac([b"a key of this test, 32 bytes long."])
        self.app = application(desk, origin, signer=signer, now=now, new_id=hexadecimal, region=REGION, links=links)

    async def __call__(self, scope, receive, send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN) or self._knows(scope):
            await self.app(scope, receive, send)
        else:
            refused = Unauthenticated("This key is not known here. Check the key and the base URL.")
            status, headers, body = error_response(refused, scope["path"], "stand-in")
            await Response(body, status, dict(headers))(scope, receive, send)

    def _knows(self, scope) -> bool:
        key = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        if key in KEYS:
            scope[CALLER] = Caller(tenant=KEYS[key], key=f"k-{KEYS[key]}", data_class="internal", decision="d-1")
        return key in KEYS


@contextmanager
def running(houses: Mapping[str, House] = HOUSES):
    """The origin of a stand-in that runs in a thread until the block is left."""
    listening = socket.create_server(("127.0.0.1", 0))
    origin = Origin(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(StandIn(origin, houses), log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield origin.text
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
