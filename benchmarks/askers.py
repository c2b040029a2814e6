"""The clients of a cell, in a process of their own: `python -m benchmarks.askers URL`, with a key on its first line.

A closed loop of askers, each with one film in flight; see `benchmarks.steady`. One line is printed for each film that
has ended. When the input ends, they stop asking and wait for what they have asked for.

With `--hear events` a client wishes for a film in the native API and listens to its server-sent events, so it knows of
the end at once, and as many films are in flight as there are askers. With `--hear polls` it does what OpenAI's SDK
does: it asks again after as many milliseconds as the last answer says, or a second.
"""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from typing import Annotated, Any, Final

import httpx
import typer

from benchmarks.steady import asked_steadily
from model.clip import Clip, Mode, Size

__all__ = ["Hear", "clip_of"]

COLOURS: Final = ("red", "orange", "yellow", "green", "cyan", "blue", "magenta", "white")
SHAPES: Final = ("circle", "square", "triangle", "cross", "ring")
PATIENCE: Final = httpx.Timeout(60.0)
ENDS: Final = ("completed", "failed")


class Hear(StrEnum):
    """How a client hears of the end of its film."""

    EVENTS = "events"
    POLLS = "polls"


def clip_of(number: int, seconds: int) -> Clip:
    """The film of a number, the same in every way of making it; no two are alike."""
    said = f"a {COLOURS[number % 8]} {SHAPES[number % 5]} bounces up and down {number}"
    return Clip(prompt=said, mode=Mode.T2V, size=Size(64, 64), seconds=seconds, seed=number)


def _wish(clip: Clip) -> dict[str, Any]:
    return {"prompt": clip.prompt, "seconds": clip.seconds, "size": str(clip.size), "seed": clip.seed}


async def by_events(client: httpx.AsyncClient, clip: Clip) -> None:
    """From a wish to the event that says it has come true."""
    job = (await client.post("/v1/jobs", json=_wish(clip))).raise_for_status().json()["id"]
    state = ""
    async with client.stream("GET", f"/v1/jobs/{job}/events") as told:
        told.raise_for_status()
        async for line in told.aiter_lines():
            state = line.removeprefix("event: ") if line.startswith("event: ") else state
    _good(state)


async def by_polls(client: httpx.AsyncClient, clip: Clip) -> None:
    """From a wish to the answer that says it has come true."""
    answer = await client.post("/v1/videos", json={**_wish(clip), "seconds": str(clip.seconds)})
    while (told := answer.raise_for_status().json())["status"] not in ENDS:
        await asyncio.sleep(int(answer.headers.get("openai-poll-after-ms", "1000")) / 1000)
        answer = await client.get(f"/v1/videos/{told['id']}")
    _good(told["status"])


def _good(ended: str) -> None:
    if ended not in ("succeeded", "completed"):
        raise SystemExit(f"A film ended as {ended!r}, so there is nothing to measure. Run the cell's tests.")


async def asked(url: str, key: str, askers: int, apart: float, seconds: int, first: int, hear: Hear) -> None:
    """Asks until standard input ends."""
    make = by_events if hear is Hear.EVENTS else by_polls
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    room = httpx.Limits(max_connections=2 * askers, max_keepalive_connections=2 * askers)
    shown = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=shown, timeout=PATIENCE, limits=room, trust_env=False) as client:

        async def one(number: int) -> None:
            await make(client, clip_of(first + number, seconds))
            print(number, flush=True)

        await asked_steadily(one, askers, apart, lambda: not ending.done())
    await ending


def main(
    url: Annotated[str, typer.Argument(help="Where the cell is.")],
    askers: Annotated[int, typer.Option(min=1, help="Films in flight.")] = 8,
    apart: Annotated[float, typer.Option(min=0, help="Seconds between the first wishes of two askers.")] = 0.1,
    seconds: Annotated[int, typer.Option(min=1, max=15, help="Length of each film.")] = 2,
    first: Annotated[int, typer.Option(min=0, help="Number of the first film.")] = 0,
    hear: Annotated[Hear, typer.Option(help="How they hear of the end.")] = Hear.EVENTS,
) -> None:
    """Asks a cell for one film after the other."""
    asyncio.run(asked(url, sys.stdin.readline().strip(), askers, apart, seconds, first, hear))


if __name__ == "__main__":
    typer.run(main)
