"""Joins recorder, gateway and desk in one process, which serves until it is told to stop.

The three are watched as one: one set of metrics, and one port for operators, which says that the keeper is ready when
the gateway is. The port is taken first of all, so that nothing else of the process gets it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import uvicorn

from serving.cluster.door import Door
from serving.cluster.recorder import Recorder
from serving.errors import CellError, Refused, Unavailable
from serving.keeper.desk import Desk
from serving.secret import read_secret
from serving.settings import Keeper
from serving.settings_file import load
from serving.telemetry.opened import open_watch
from serving.telemetry.operations import bound
from serving.telemetry.tower import keep_watch
from serving.wire import server_of

__all__ = ["keep", "local_ask"]

LOOK: Final = 1.0  # seconds between two looks at the parts
STOP: Final = 20.0  # seconds for entries that are under way


async def keep(file: Path, stop: asyncio.Event, told: Callable[[str], None]) -> None:
    """Serves until `stop`. Raises what keeps it from starting, Unavailable when a part has ended."""
    settings = load(file)
    if settings.keeper.certificate is None or settings.keeper.key is None or settings.keeper.token is None:
        raise Refused("keeper.certificate, keeper.key and keeper.token are missing; a keeper needs all three.")
    async with AsyncExitStack() as stack:
        place = stack.enter_context(bound(settings.listen.operations_host, settings.listen.operations_port))
        watch = open_watch(settings)
        stack.push_async_callback(asyncio.to_thread, watch.close)
        recorder = await asyncio.to_thread(Recorder, str(file), watch=watch)
        stack.push_async_callback(asyncio.to_thread, recorder.close)
        ready = Readiness()
        watching = keep_watch(watch, place, backlog=recorder.parts.store.backlog, ready=ready)
        operations = await stack.enter_async_context(_going("The port for operators", watching))
        server = _server(settings.keeper, Desk(recorder, read_secret(settings.keeper.token)))
        desk = await stack.enter_async_context(_going("The desk for studios", _until_told(server)))
        ask = local_ask(recorder, asyncio.get_running_loop())
        door = ready.door = await asyncio.to_thread(Door, str(file), ask, watch)
        stack.push_async_callback(asyncio.to_thread, door.close)
        told("The keeper is ready.")
        await _watch((recorder, door), (operations, desk), stop)


class Readiness:
    """What operators are told: the gateway's own word, once there is one."""

    def __init__(self) -> None:
        self.door: Door | None = None

    async def __call__(self) -> str:
        """What is missing, or "". A gateway that does not say is missing itself."""
        if self.door is None:
            return "the gateway, which is starting"
        try:
            return await asyncio.to_thread(self.door.missing)
        except CellError as error:
            return f"the gateway: {error}"


class Part(Protocol):
    """What works in threads of its own."""

    def check_health(self) -> None:
        """Raises when this process must be replaced."""


async def _watch(parts: Sequence[Part], tasks: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Until `stop`. A part that has ended ends the process, and the pod starts it again."""
    while not stop.is_set():
        for task in tasks:
            if task.done():
                raise Unavailable(f"{task.get_name()} has ended. The pod is started again.")
        for part in parts:
            part.check_health()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)


@asynccontextmanager
async def _going(name: str, work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Work that goes on meanwhile, and is ended with the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), STOP)


async def _until_told(server: uvicorn.Server) -> None:
    """Serves until it is cancelled; what is being answered then is answered first."""
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


def _server(settings: Keeper, desk: Desk) -> uvicorn.Server:
    certificate, key = str(settings.certificate), str(settings.key)
    return server_of(desk, host=settings.host, port=settings.port, ssl_certfile=certificate, ssl_keyfile=key)


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
