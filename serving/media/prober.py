"""Asks `serving.media.probe`, and lives on when that process does not."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

from model.clip import Size
from model.media.limits import FilmLimits, ImageLimits
from serving.errors import BadMedia

__all__ = ["Prober", "Seen"]

#: Without the environment, whose variables a decoder has no use for.
COMMAND: Final = (sys.executable, "-m", "serving.media.probe")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a piece of media is."""

    size: Size  # as it is shown
    seconds: float  # that are used; 0 for an image


class Prober:
    """Looks at one piece of media after the other in a process of its own, which is made anew when it dies.

    Start it inside the event loop that uses it; `aclose` ends the process.
    """

    def __init__(
        self,
        images: ImageLimits | None = None,
        films: FilmLimits | None = None,
        *,
        seconds: float = 60.0,  # for one piece
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._limits = {"images": asdict(images or ImageLimits()), "films": asdict(films or FilmLimits())}
        self._seconds = seconds
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def look(self, body: bytes, *, film: bool, field: str) -> Seen:
        """What a film or an image is. Raises BadMedia for whatever cannot be decoded within limits."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    told = await self._ask(body, film=film)
            except TimeoutError:
                await self._end()
                raise BadMedia(
                    field, f"{field}: this takes too long to read. Save it again, or send another."
                ) from None
            except (ConnectionError, json.JSONDecodeError):
                await self._end()
                raise BadMedia(field, f"{field}: this cannot be read. Save it again, or send another.") from None
            except BaseException:
                await self._end()  # what was asked may still be under way
                raise
        if "bad" in told:
            raise BadMedia(field, f"{field}: {told['bad']}")
        return Seen(Size(int(told["width"]), int(told["height"])), float(told["seconds"]))

    async def aclose(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _ask(self, body: bytes, *, film: bool) -> dict[str, Any]:
        process = self._process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"film": film, "bytes": len(body), **self._limits}).encode() + b"\n")
        process.stdin.write(body)
        await process.stdin.drain()
        told = json.loads(await process.stdout.readline())  # no line at all is no JSON: the process is gone
        return dict(told)

    async def _start(self) -> asyncio.subprocess.Process:
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=null)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipes stay open until they are collected
