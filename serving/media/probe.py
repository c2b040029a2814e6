"""A process that looks at media which strangers sent, so that a decoder that crashes takes nobody with it.

`python -m serving.media.probe` reads requests from its input and answers each with one line of JSON. It may use neither
more memory nor more time than it is told, opens no file for writing, and ends when its input ends.

A request is one line of JSON, `{"do": "look", "film": bool, "bytes": N, "images": {…}, "films": {…}}`, then N bytes. An
answer is `{"width": …, "height": …, "seconds": …}` or `{"bad": "what is wrong, and what to do"}`. With `"do": "detect"`
and `"key"` and `"anchors"` beside it, the answer is what a film's marks say: `{"mark": {…} | null, "manifest": {…}}`.

What a file says of its own origin (C2PA) is parsed here too, before a job is made: signing parses it once more.
"""

from __future__ import annotations

import json
import resource
import sys
from fractions import Fraction
from typing import Any, BinaryIO, Final

from model.clip import Size
from model.errors import BadMedia
from model.media import FilmLimits, ImageLimits, read_film, read_image
from serving.errors import BadMedia as BadManifest

MEMORY: Final = 4 << 30  # bytes of address space; a 40-megapixel image takes about 0.4 GiB
FPS, RATE, SMALL = Fraction(8), 16_000, Size(16, 16)  # what is decoded is thrown away, so little is kept of it


def look(body: bytes, *, film: bool, images: ImageLimits, films: FilmLimits) -> dict[str, float]:
    """Pixels as shown, and seconds as used, after all of it was read. Raises BadMedia, of this room or the model."""
    from serving.media.marks.c2pa import try_ingredient

    seen = _seen(body, film=film, images=images, films=films)
    try_ingredient(body)
    return seen


def _seen(body: bytes, *, film: bool, images: ImageLimits, films: FilmLimits) -> dict[str, float]:
    if not film:
        picture = read_image(body, images)
        return {"width": picture.shape[1], "height": picture.shape[0], "seconds": 0}
    shown: list[Size] = []

    def note(size: Size) -> Size:
        shown.append(size)
        return SMALL

    read = read_film(body, fps=FPS, rate=RATE, size=note, limits=films, cut=True)
    return {"width": shown[0].width, "height": shown[0].height, "seconds": read.seconds}


def marks(body: bytes, *, key: bytes, anchors: str, films: FilmLimits) -> dict[str, Any]:
    """The watermark of the cell whose key this is, and what the film's manifest says. Raises BadMedia."""
    from serving.media.marks.detect import FPS as LOOKED_AT
    from serving.media.marks.sighting import sight
    from serving.media.marks.watermark_sound import RATE as HEARD_AT

    film = read_film(body, fps=LOOKED_AT, rate=HEARD_AT, limits=films, cut=True)
    return sight(film, body, key=key, anchors=anchors).plain()


def answer(request: dict[str, Any], body: bytes) -> dict[str, Any]:
    """What one request is answered."""
    images, films = ImageLimits(**request["images"]), FilmLimits(**request["films"])
    try:
        if request["do"] == "detect":
            return marks(body, key=bytes.fromhex(request["key"]), anchors=request["anchors"], films=films)
        return dict(look(body, film=request["film"], images=images, films=films))
    except (BadMedia, BadManifest) as bad:
        return {"bad": str(bad)}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        answers.write(json.dumps(answer(request, requests.read(request["bytes"]))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)
