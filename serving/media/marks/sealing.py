"""A process that signs one film into which clients' files go, so that a file which breaks the parser ends it alone.

`python -m serving.media.marks.sealing` reads one request, may ask for signatures, answers, and ends. The key stays with
whoever started it: this process is given bytes that strangers sent, and must not hold a secret.

A request is a line of JSON, `{"film": N, "chain": PEM, "residency": {…}, "pid": …, "ingredients": [[title, N], …],
"timestamps": …}`, then the film's bytes and those of each ingredient. While it works it may write `{"sign": HEX}` and
then reads `{"signature": HEX}`. It ends with `{"signed": N, "manifest": SHA-256}` and N bytes, or with
`{"broken": "what is wrong, and what to do"}`.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, BinaryIO, Final

from serving.errors import CellError
from serving.media.marks.c2pa import Ingredient, Residency, Signed, sign
from serving.media.marks.certificate import Credential

__all__ = ["MEMORY", "serve"]

MEMORY: Final = 4 << 30  # bytes of address space; films and ingredients have some hundred MiB together


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer one request."""
    request = json.loads(asked.readline())
    try:
        signed = _signed(request, asked, answers)
    except CellError as error:
        _tell(answers, {"broken": str(error)})
        return
    _tell(answers, {"signed": len(signed.body), "manifest": signed.manifest})
    answers.write(signed.body)
    answers.flush()


def _signed(request: dict[str, Any], asked: BinaryIO, answers: BinaryIO) -> Signed:
    film = asked.read(request["film"])
    ingredients = [Ingredient(title, asked.read(size)) for title, size in request["ingredients"]]

    def ask(data: bytes) -> bytes:
        _tell(answers, {"sign": data.hex()})
        return bytes.fromhex(json.loads(asked.readline())["signature"])

    return sign(
        film,
        Credential(request["chain"], "", 0, ask),
        residency=Residency(**request["residency"]),
        pid=request["pid"],
        ingredients=ingredients,
        timestamps=request["timestamps"],
    )


def _tell(answers: BinaryIO, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)
