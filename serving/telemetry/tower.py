"""Keeps watch over one process of a cell: takes readings, asks engines for theirs, and answers operators."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from model.engine import Stats
from serving.errors import Refused
from serving.jobs.records import Backlog
from serving.settings import Listen
from serving.telemetry.opened import Watch
from serving.telemetry.operations import Operations, bound, serve_operations

__all__ = ["keep_watch", "place_among", "watched_over"]

log = logging.getLogger(__name__)

MOST: Final = 8  # processes of one cell on one machine that have a port for operators


async def _always() -> str:
    return ""


async def keep_watch(
    watch: Watch,
    place: socket.socket | None,
    *,
    backlog: Callable[[], Backlog],
    ready: Callable[[], Awaitable[str]],
    stats: Callable[[], Stats] | None = None,
) -> None:
    """Until cancelled. `place` is bound already, or None where operators ask nothing; `stats` are those of the engine,
    where this process has one."""
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.scraper.run())
        group.create_task(watch.pulse.run(backlog, stats, ready))
        if place is not None:
            group.create_task(serve_operations(Operations(ready, watch.families), place))


@asynccontextmanager
async def watched_over(
    watch: Watch,
    listen: Listen,
    *,
    backlog: Callable[[], Backlog],
    ready: Callable[[], Awaitable[str]] = _always,
    stats: Callable[[], Stats] | None = None,
) -> AsyncIterator[None]:
    """One of several processes of a cell is watched while this lasts. Nothing that becomes of it ends the work."""
    try:
        place = place_among(listen)
    except Refused:
        log.warning("No port is left for operators; this process is watched by the collector alone.")
        place = None
    watching = asyncio.create_task(keep_watch(watch, place, backlog=backlog, ready=ready, stats=stats))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def place_among(listen: Listen) -> socket.socket:
    """A place for operators where several processes share a machine: the first free port from `operations_port` on.

    Raises Refused when all of them are taken.
    """
    for port in range(listen.operations_port, listen.operations_port + MOST - 1):
        try:
            return bound(listen.operations_host, port)
        except Refused:
            continue
    return bound(listen.operations_host, listen.operations_port + MOST - 1)
