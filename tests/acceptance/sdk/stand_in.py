"""A cell without a gate, a store or a model: the dialects before a desk in memory, on a port of this machine.

It takes a key's name from a table where the gate would decide, and opens signed links where media would.
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
from urllib.parse import parse_qs
from uuid import uuid4

import numpy as np
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from model.clip import Film
from serving.desk import Caller
from serving.desk_twin import House, TwinDesk
from serving.dialects.answers import error_response, in_our_words
from serving.dialects.app import application
from serving.dialects.caller import CALLER
from serving.dialects.dashscope import UPLOADS
from serving.dialects.grants import Hmac
from serving.dialects.origin import Origin
from serving.dialects.stream import film_response
from serving.errors import Forbidden, Unauthenticated
from serving.jobs.job import JobId
from serving.wish import Audio, Wish

REGION = "eu-par"
OPEN = ("/v1/jobs/openapi.json", UPLOADS)  # doors that ask for no key

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
    """Pure ASGI: who asks, then the dialects; and the films behind signed links."""

    def __init__(self, origin: Origin, houses: Mapping[str, House] = HOUSES) -> None:
        self.signer = Hmac([b"a key of this test, 32 bytes long."])
        self.origin = origin
        self.desk = TwinDesk(tiny_film, now=now, new_id=hexadecimal, link=self.link, houses=houses)
        self.app = application(self.desk, origin, signer=self.signer, now=now, new_id=hexadecimal, region=REGION)

    def link(self, job: JobId, until: int) -> str:
        """A signed address of a film."""
        return self.origin.url(f"/films/{job}.mp4?exp={until}&sig={self._signature(job, until)}")

    def _signature(self, job: str, until: int | str) -> str:
        return self.signer.sign(f"{job} {until}".encode()).hex()

    async def __call__(self, scope, receive, send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].startswith("/films/"):
            await self._film(Request(scope))(scope, receive, send)
        elif scope["path"].startswith(OPEN) or self._knows(scope):
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

    def _film(self, request: Request) -> Response:
        job = request.url.path.removeprefix("/films/").removesuffix(".mp4")
        query = {name: each[0] for name, each in parse_qs(request.url.query).items()}
        try:
            if query.get("sig") != self._signature(job, query.get("exp", "")) or int(query["exp"]) < now():
                raise Forbidden("This link is not valid, or its time is over.")
            return film_response(request, self.desk.linked(JobId(job)), self.desk.read, job)
        except Exception as error:  # noqa: BLE001
            status, headers, body = error_response(in_our_words(error), request.url.path)
            return Response(body, status, dict(headers))


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
