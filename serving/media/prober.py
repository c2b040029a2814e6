"""Asks `serving.media.probe`, and lives on when such a process does not."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
from dataclasses import asdict, dataclass
from typing import Any, Final

from model.clip import Size
from model.media.limits import FilmLimits, ImageLimits
from serving.errors import BadMedia
from serving.media.marks.sighting import Sighting

__all__ = ["Prober", "Seen"]

COMMAND: Final = (sys.executable, "-m", "serving.media.probe")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a piece of media is."""

    size: Size  # as it is shown
    seconds: float  # that are used; 0 for an image


class Prober:
    """Looks at media in processes of its own, each of which is made anew when it dies; further pieces wait.

    Use it in one event loop; `aclose` ends the processes.
    """

    def __init__(
        self,
        images: ImageLimits | None = None,
        films: FilmLimits | None = None,
        *,
        seconds: float = 60.0,  # for one piece
        at_once: int = 2,  # so that one piece that takes long does not hold up all others
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._limits = {"images": asdict(images or ImageLimits()), "films": asdict(films or FilmLimits())}
        self._seconds = seconds
        self._command = command
        self._idle: list[Process] = []
        self._turn = asyncio.Semaphore(at_once)

    async def look(self, body: bytes, *, film: bool, field: str) -> Seen:
        """What a film or an image is. Raises BadMedia for whatever cannot be decoded within limits."""
        told = await self._told({"do": "look", "film": film}, body, field)
        return Seen(Size(int(told["width"]), int(told["height"])), float(told["seconds"]))

    async def sight(self, body: bytes, *, key: bytes, anchors: str, field: str) -> Sighting:
        """What a film's marks say to whoever has the cell's key. Raises BadMedia as `look` does."""
        told = await self._told({"do": "detect", "key": key.hex(), "anchors": anchors}, body, field)
        return Sighting.read(told)

    async def _told(self, request: dict[str, Any], body: bytes, field: str) -> dict[str, Any]:
        async with self._turn:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(self._seconds):
                    told = await self._ask(process, request, body)
            except TimeoutError:
                await _end(process)
                raise BadMedia(
                    field, f"{field}: this takes too long to read. Save it again, or send another."
                ) from None
            except (ConnectionError, json.JSONDecodeError):
                await _end(process)
                raise BadMedia(field, f"{field}: this cannot be read. Save it again, or send another.") from None
            except BaseException:
                await _end(process)  # what was asked may still be under way
                raise
            self._idle.append(process)
        if "bad" in told:
            raise BadMedia(field, f"{field}: {told['bad']}")
        return told

    async def aclose(self) -> None:
        """End the processes that nobody waits for."""
        while self._idle:
            await _end(self._idle.pop())

    async def _ask(self, process: Process, request: dict[str, Any], body: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({**request, "bytes": len(body), **self._limits}).encode() + b"\n")
        process.stdin.write(body)
        await process.stdin.drain()
        told = json.loads(await process.stdout.readline())  # no line at all is no JSON: the process is gone
        return dict(told)

    async def _start(self) -> Process:
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=null)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # else its pipes stay open until they are collected
