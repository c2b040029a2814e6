"""Signs a film into which clients' files go, by way of `serving.media.marks.sealing`.

Each film has a process of its own, which ends with it: what one client's file does to the parser reaches no other
client's film. It costs about half a second of a processor; films without ingredients are signed in this process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from threading import Timer
from typing import IO, Any, Final

from serving.errors import Broken
from serving.media.marks.c2pa import Ingredient, Residency, Signed
from serving.media.marks.certificate import Credential

__all__ = ["seal"]

COMMAND: Final = (sys.executable, "-m", "serving.media.marks.sealing")
LOST: Final = "The film cannot be signed: a piece of media that it was made from broke the process that signs."
MOST_LINE: Final = 1 << 20  # bytes of one line that the process may answer
MOST_SIGNATURES: Final = 8  # that one film may ask for
MOST_FILM: Final = 1 << 31  # bytes


def seal(
    body: bytes,
    credential: Credential,
    *,
    residency: Residency,
    pid: str,
    ingredients: Sequence[Ingredient],
    timestamps: str = "",
    seconds: float = 120.0,
    command: tuple[str, ...] = COMMAND,
) -> Signed:
    """As `c2pa.sign`, in a process of its own. Raises Broken when that dies or takes longer than `seconds`."""
    request = {
        "film": len(body),
        "chain": credential.chain,
        "residency": asdict(residency),
        "pid": pid,
        "ingredients": [[each.title, len(each.body)] for each in ingredients],
        "timestamps": timestamps,
    }
    try:
        return _talk(command, request, [body, *(each.body for each in ingredients)], credential, seconds)
    except (OSError, ValueError, KeyError):
        raise Broken(f"{LOST} Ask for the film again without it.") from None


def _talk(
    command: tuple[str, ...], request: dict[str, Any], bodies: Sequence[bytes], credential: Credential, seconds: float
) -> Signed:
    """Raises ValueError, OSError or KeyError when the process is gone or says what it should not."""
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null) as process:
        clock = Timer(seconds, process.kill)
        clock.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin, request, bodies)
            return _answer(process.stdin, process.stdout, credential)
        finally:
            clock.cancel()
            process.kill()


def _send(to: IO[bytes], request: dict[str, Any], bodies: Sequence[bytes]) -> None:
    to.write(json.dumps(request).encode() + b"\n")
    for body in bodies:
        to.write(body)
    to.flush()


def _answer(to: IO[bytes], told: IO[bytes], credential: Credential) -> Signed:
    """What the process says, after it was given the signatures that it asked for. Raises ValueError when it is gone."""
    for _ in range(MOST_SIGNATURES + 1):
        line = json.loads(told.readline(MOST_LINE))  # no line at all is no JSON: the process is gone
        if "broken" in line:
            raise Broken(str(line["broken"]))
        if "sign" not in line:
            return _read(told, int(line["signed"]), str(line["manifest"]))
        _send(to, {"signature": _signature(credential, bytes.fromhex(line["sign"])).hex()}, ())
    raise ValueError("too many signatures")


def _signature(credential: Credential, data: bytes) -> bytes:
    try:
        return credential.sign(data)
    except Exception:  # noqa: BLE001 - a KMS may fail in its own ways, and none of them is the client's file
        raise Broken("The film cannot be signed: the key does not answer. Check marks.key, or the KMS.") from None


def _read(told: IO[bytes], size: int, manifest: str) -> Signed:
    body = told.read(size) if 0 < size < MOST_FILM else b""
    if not body or len(body) != size:
        raise ValueError("cut short")
    return Signed(body, manifest)
