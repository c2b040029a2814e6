"""Joins recorder, gateway and desk in one process, which serves until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import uvicorn

from serving.cluster.door import Door
from serving.cluster.recorder import Recorder
from serving.errors import Refused, Unavailable
from serving.keeper.desk import Desk
from serving.secret import read_secret
from serving.settings import Keeper
from serving.settings_file import load

__all__ = ["keep", "local_ask"]

LOOK: Final = 1.0  # seconds between two looks at the parts
STOP: Final = 20.0  # seconds for entries that are under way


async def keep(file: Path, stop: asyncio.Event, told: Callable[[str], None]) -> None:
    """Serves until `stop`. Raises what keeps it from starting, Unavailable when a part has ended."""
    settings = load(file).keeper
    if settings.certificate is None or settings.key is None or settings.token is None:
        raise Refused("keeper.certificate, keeper.key and keeper.token are missing; a keeper needs all three.")
    recorder = await asyncio.to_thread(Recorder, str(file))
    try:
        server = _server(settings, Desk(recorder, read_secret(settings.token)))
        answering = asyncio.create_task(server.serve(), name="desk")
        try:
            await _with_door(file, recorder, answering, stop, told)
        finally:
            server.should_exit = True
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(answering, return_exceptions=True), STOP)
    finally:
        await asyncio.to_thread(recorder.close)


async def _with_door(
    file: Path, recorder: Recorder, answering: asyncio.Task[None], stop: asyncio.Event, told: Callable[[str], None]
) -> None:
    ask = local_ask(recorder, asyncio.get_running_loop())
    door = await asyncio.to_thread(Door, str(file), ask)
    try:
        told("The keeper is ready.")
        await _watch(recorder, door, answering, stop)
    finally:
        await asyncio.to_thread(door.close)


async def _watch(recorder: Recorder, door: Door, answering: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Until `stop`. A part that has ended ends the process, and the pod starts it again."""
    while not stop.is_set():
        if answering.done():
            raise Unavailable("The desk for studios has ended. The pod is started again.")
        recorder.check_health()
        door.check_health()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)


def _server(settings: Keeper, desk: Desk) -> uvicorn.Server:
    config = uvicorn.Config(
        desk,
        host=settings.host,
        port=settings.port,
        ssl_certfile=str(settings.certificate),
        ssl_keyfile=str(settings.key),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=65,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # this process has its own
    return server


def local_ask(recorder: Recorder, loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """`serving.cluster.remote.Ask` within one process: calls come from threads, and are answered in `loop`."""

    def ask(method: str, *given: bytes, patience: float) -> Any:
        if method == "hello":
            return recorder.hello()
        call = recorder.write if method == "write" else recorder.archive
        answer = asyncio.run_coroutine_threadsafe(call(*given), loop)
        try:
            return answer.result(patience)
        except TimeoutError:
            answer.cancel()
            raise Unavailable(f"The recorder has said nothing for {patience:g} s.") from None

    return ask


async def run(file: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await keep(file, stop, lambda text: print(text, flush=True))
