"""Films a minute by waves, slot by slot, and by Hugging Face's `generate`: `python -m benchmarks.waves`.

The same weights and the same prompts in the same run, all ways in turn, so that what else the machine does falls on
each; medians of the repeats. Every way must give the same codes, or there is no table. Needs vLLM's environment.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.engine import tasks
from model.checkpoint import WEIGHTS, Model, load
from model.clip import Mode
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.generate import SAMPLING, Codes, Generator, Pace, joined

Way = Callable[[Sequence[Task]], list[Codes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    batch: int
    films_per_minute: float  # median
    slowest: float
    fastest: float


def reference(model: Model, pace: Pace) -> Way:
    """The plain generator, all films in one pass."""
    generator = Generator(model, pace=pace)
    return lambda wanted: generator.films([task.order for task in wanted])


def hugging_face(model: Model) -> Way:
    """`generate` with its own cache."""
    from benchmarks.hugging_face import Wrapped, generate

    wrapped = Wrapped(model)
    return lambda wanted: generate(wrapped, [task.order for task in wanted], SAMPLING[Mode.T2V])


class Vllm:
    """vLLM's engine, at a pace."""

    def __init__(self, model: Model, pace: Pace, *, compiled: bool) -> None:
        settings = VllmSettings(
            weights=str(WEIGHTS / "pony"), films=32, pace=pace, compiled=compiled, prefix_cache=False
        )
        self.engine = EngineLoop(lambda: VllmStepper(settings, model.config), model.config)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.engine.check())

    def __call__(self, wanted: Sequence[Task]) -> list[Codes]:
        async def film(task: Task) -> Codes:
            codes: Codes | None = None
            async for chunk in self.engine.submit(task):
                codes = chunk.codes if codes is None else joined(codes, chunk.codes)
            assert codes is not None
            return codes

        async def films() -> list[Codes]:
            return await asyncio.gather(*map(film, wanted))

        return self.loop.run_until_complete(films())


def ways(model: Model, *, compiled: bool) -> dict[str, Way]:
    """Every way by its name."""
    return {
        "vLLM, waves": Vllm(model, Pace.WAVES, compiled=compiled),
        "vLLM, slots": Vllm(model, Pace.SLOTS, compiled=compiled),
        "reference, waves": reference(model, Pace.WAVES),
        "reference, slots": reference(model, Pace.SLOTS),
        "Hugging Face generate": hugging_face(model),
    }


def compared(
    all_ways: dict[str, Way], wanted: Callable[[int, int], Sequence[Task]], batches: Sequence[int], repeats: int
) -> list[Row]:
    """Times all ways in turn, repeat by repeat. Raises SystemExit when two of them give other codes."""
    found = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("films", total=len(batches) * (repeats + 1) * len(all_ways))
        for batch in batches:
            speeds: dict[str, list[float]] = {name: [] for name in all_ways}
            for repeat in range(-1, repeats):  # the first warms up
                made, asked = {}, wanted(batch, repeat + 1)
                for name, way in all_ways.items():
                    began = time.perf_counter()
                    made[name] = way(asked)
                    if repeat >= 0:
                        speeds[name].append(60 * batch / (time.perf_counter() - began))
                    progress.advance(bar)
                _agree(made)
            found += [
                Row(way=name, batch=batch, films_per_minute=statistics.median(s), slowest=min(s), fastest=max(s))
                for name, s in speeds.items()
            ]
    return found


def _agree(made: dict[str, list[Codes]]) -> None:
    first, *others = made
    for other in others:
        for a, b in zip(made[first], made[other], strict=True):
            if not (torch.equal(a.video, b.video) and torch.equal(a.audio, b.audio)):
                raise SystemExit(f"{first} and {other} give other codes. Nothing they are timed by means anything.")


def main(
    batch: Annotated[list[int] | None, typer.Option(help="Films at once; several times. [1, 8, 32]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, max=3, help="Length of each film.")] = 2,
    compiled: Annotated[bool, typer.Option(help="Let vLLM compile the model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films a minute of every way, side by side."""
    model = load()
    found = compared(
        ways(model, compiled=compiled),
        lambda count, turn: tasks(model, count, 1_000 * count + 100 * turn, seconds),
        batch or [1, 8, 32],
        repeats,
    )
    machine = f"{platform.processor() or platform.machine()}, torch on {torch.get_num_threads()} threads"
    if as_json:
        typer.echo(json.dumps({"machine": machine, "seconds": seconds, "rows": [asdict(r) for r in found]}, indent=2))
    else:
        show(found, machine, seconds)


def show(found: Sequence[Row], machine: str, seconds: int) -> None:
    """Prints the table."""
    table = Table(title=f"Films of {seconds} s a minute, identical codes ({machine})")
    for heading in ("way", "at once", "films/min", "from … to", "waves of vLLM are"):
        table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=True)
    best = {row.batch: row.films_per_minute for row in found if row.way == "vLLM, waves"}
    for row in found:
        spread = f"{row.slowest:.1f} … {row.fastest:.1f}"
        ratio = f"{best[row.batch] / row.films_per_minute:.2f}x"
        table.add_row(row.way, str(row.batch), f"{row.films_per_minute:.1f}", spread, ratio)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
