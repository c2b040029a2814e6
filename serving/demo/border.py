"""Knocking at a cell that may not serve: what it answers before a single byte of the body has left the client."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

__all__ = ["Refusal", "knock"]

PATIENCE_S: Final = 20.0
MOST: Final = 65_536  # bytes of an answer that are read
ANNOUNCED: Final = 1_000_000  # bytes of a body that is never sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer to a request whose body stayed at home."""

    status: int
    text: str  # what the cell says
    announced: int  # bytes of the body, by Content-Length
    sent: int  # bytes of it that left
    invited: bool  # whether the cell asked for them, with 100 Continue (RFC 9110, 10.1.1)


def knock(port: int, key: str, path: str = "/v1/videos") -> Refusal:
    """Asks for a film, and keeps the body until the cell invites it. Returns when the cell has closed.

    A cell that would read the body keeps the connection open instead; then this raises TimeoutError.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {ANNOUNCED}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
        wire.sendall(head.encode("ascii"))
        answer = b""
        while len(answer) < MOST and (part := wire.recv(MOST)):
            answer += part
    first, _, rest = answer.partition(b"\r\n")
    _, _, body = rest.partition(b"\r\n\r\n")
    invited = first.startswith(b"HTTP/1.1 100")
    status = int(first.split()[1]) if len(first.split()) > 1 else 0
    return Refusal(status=status, text=_said(body), announced=ANNOUNCED, sent=0, invited=invited)


def _said(body: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["error"]["message"])
    return body.decode("utf-8", "replace")
