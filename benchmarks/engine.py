"""How many clips a minute each engine makes, one at a time and several at once: `python -m benchmarks.engine`.

The yardstick is the reference generator in the same run. Clips have two seconds and no two share a text or a seed, so
the prefix cache helps nobody. Start-up and one clip of warming up are left out; medians of the repeats are shown.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model.checkpoint import WEIGHTS, Model, load
from model.clip import Clip, Mode, Size
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.stepper import Stepper
from model.engines.torch_stepper import TorchStepper
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.errors import Unavailable
from model.generate import Generator, Pace
from model.make import Maker

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "magenta", "white")
SHAPES = ("circle", "square", "triangle", "cross", "ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    engine: str
    batch: int
    clips_per_minute: float  # median
    slowest: float
    fastest: float
    slots_per_second: float  # inside the engine's steps, all repeats


def tasks(model: Model, count: int, seed: int, seconds: int) -> list[Task]:
    """As many films, all different."""
    ready = Maker(Generator(model)).ready
    found = []
    for n in range(seed, seed + count):
        text = f"a {COLOURS[n % 8]} {SHAPES[n % 5]} bounces up and down {n}"
        clip = Clip(prompt=text, mode=Mode.T2V, size=Size(64, 64), seconds=seconds, seed=n)
        found.append(Task(job=str(n), order=ready(clip).order))
    return found


async def measured(
    engine: EngineLoop, model: Model, batch: int, repeats: int, seconds: int, done: Callable[[], None]
) -> tuple[list[float], float]:
    """Clips a minute of each repeat, and slots a second in all."""

    async def hear(task: Task) -> None:
        async for _ in engine.submit(task):
            pass

    await engine.check()
    await hear(tasks(model, 1, 9_999_000 + batch, seconds)[0])
    before, speeds = engine.stats(), []
    for repeat in range(repeats):
        wanted = tasks(model, batch, 1_000 * batch + 100 * repeat, seconds)
        began = time.perf_counter()
        await asyncio.gather(*map(hear, wanted))
        speeds.append(60 * batch / (time.perf_counter() - began))
        done()
    after = engine.stats()
    return speeds, (after.slots - before.slots) / (after.busy - before.busy)


async def rows_of(
    name: str,
    make: Callable[[], Stepper],
    model: Model,
    batches: list[int],
    repeats: int,
    seconds: int,
    progress: Progress,
) -> list[Row]:
    """All batches of one engine; none when it is not installed."""
    engine, found = EngineLoop(make, model.config), []
    bar = progress.add_task(name, total=len(batches) * repeats)
    try:
        for batch in batches:
            speeds, slots = await measured(engine, model, batch, repeats, seconds, lambda: progress.advance(bar))
            found.append(
                Row(
                    engine=name,
                    batch=batch,
                    clips_per_minute=statistics.median(speeds),
                    slowest=min(speeds),
                    fastest=max(speeds),
                    slots_per_second=slots,
                )
            )
    except Unavailable as error:
        progress.console.print(f"{name}: {error}")
    finally:
        await engine.close()
    return found


def engines(model: Model, weights: str, compiled: bool) -> Iterator[tuple[str, Callable[[], Stepper]]]:
    """Every engine by its name, the yardstick first."""
    yield "torch, waves", lambda: TorchStepper(model, room=64)
    yield "torch, slots", lambda: TorchStepper(model, room=64, pace=Pace.SLOTS)
    for pace in (Pace.WAVES, Pace.SLOTS):
        settings = VllmSettings(weights=weights, films=64, pace=pace, compiled=compiled, prefix_cache=False)
        yield f"vLLM, {pace}", lambda settings=settings: VllmStepper(settings, model.config)  # type: ignore[misc]


def main(
    batch: Annotated[
        list[int] | None, typer.Option(help="Clips at once; may be given several times. [1 and 8]")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, max=15, help="Length of each clip.")] = 2,
    only: Annotated[str, typer.Option(help="Measure engines whose name holds this text.")] = "",
    compiled: Annotated[bool, typer.Option(help="Let vLLM compile the model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measures clips a minute of every engine that is installed."""
    model, found = load(), []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name, make in engines(model, str(WEIGHTS / "pony"), compiled):
            if only in name:
                found += asyncio.run(rows_of(name, make, model, batch or [1, 8], repeats, seconds, progress))
    machine = f"{platform.processor() or platform.machine()}, torch on {torch.get_num_threads()} threads"
    if as_json:
        typer.echo(
            json.dumps({"machine": machine, "seconds": seconds, "rows": [asdict(row) for row in found]}, indent=2)
        )
    else:
        show(found, machine, seconds)


def show(found: list[Row], machine: str, seconds: int) -> None:
    """Prints the table."""
    table = Table(title=f"Clips of {seconds} s a minute ({machine})")
    for heading in ("engine", "at once", "clips/min", "from … to", "slots/s", "gain"):
        table.add_column(heading, justify="left" if heading == "engine" else "right", no_wrap=True)
    for row in found:
        one = next((r.clips_per_minute for r in found if r.engine == row.engine), row.clips_per_minute)
        spread = f"{row.slowest:.1f} … {row.fastest:.1f}"
        speed, ratio = f"{row.clips_per_minute:.1f}", f"{row.clips_per_minute / one:.2f}x"
        table.add_row(row.engine, str(row.batch), speed, spread, f"{row.slots_per_second:,.0f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
