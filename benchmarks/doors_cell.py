"""The gateway of a cell as a process to be measured: `python -m benchmarks.doors_cell KIND PORT [FOLDER]`.

`bare` is an application that answers with a constant, which is the yardstick; `gate` is that application behind the
gate of the cell in FOLDER; `cell` is the whole gateway of that cell, with no studio beside it, so jobs only gather.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from serving.gateway import Gateway, facts
from serving.parts import build
from serving.settings_file import load
from serving.wire import server_of

BODY = b'{"id":"video_00000000000000000000000000000000","object":"video","status":"queued","progress":0}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def bare(_: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Reads the body and answers."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def gateway(folder: Path) -> Gateway:
    """Of a cell whose studio works elsewhere, or not at all."""
    settings = load(folder / "cell.toml")

    async def nothing() -> str:
        return ""

    known = facts(settings.engine.model)
    return Gateway(build(settings), known, chunk_ms=lambda: 150.0, studios=lambda: 1, missing=nothing)


def application(kind: str, folder: Path) -> Any:
    """What a server runs."""
    if kind == "bare":
        return bare
    made = gateway(folder)
    if kind == "gate":
        _gate(made).app = bare  # what stands behind it
    return made.app


def _gate(made: Gateway) -> Any:
    outer: Any = made.app.app
    return outer.gate.app


def added(folder: Path, key: str, calls: int) -> list[float]:
    """Seconds of processor time that the gate takes for a request which it lets through, sorted; without a server.

    Nothing in it waits for anything, so one thread's own clock sees all of it and nothing else.
    """
    made = gateway(folder)
    gate = _gate(made)
    gate.app = bare
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {key}".encode())]
    took: list[float] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pass

    async def knock() -> None:
        for _ in range(calls):
            scope = {"type": "http", "method": "GET", "path": "/v1/videos/video_" + "0" * 32, "headers": headers}
            begun = time.thread_time()
            await gate(scope, receive, send)
            took.append(time.thread_time() - begun)

    asyncio.run(knock())
    made.parts.close()
    return sorted(took)


def main() -> None:
    """Serves until it is killed."""
    kind, port = sys.argv[1], int(sys.argv[2])
    app = application(kind, Path(sys.argv[3]) if len(sys.argv) > 3 else Path())
    asyncio.run(server_of(app, port=port).serve())


if __name__ == "__main__":
    main()
