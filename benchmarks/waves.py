"""Films a minute by waves, slot by slot, and by Hugging Face's `generate`: `python -m benchmarks.waves`.

The same weights and the same prompts in the same run, all ways in turn, so that what else the machine does falls on
each; medians of the repeats, and of the ratios within each repeat. Beside the clock stands the processor's own time,
which other programs disturb less, and what the layout allows at best on this machine. Every way must give the same
codes, or there is no table. Needs vLLM's environment; without it the reference alone is measured.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Annotated, Final

import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.engine import tasks
from benchmarks.hardware import DEVICE_HELP, Hardware, bound, here, told
from model.checkpoint import WEIGHTS, Model, load
from model.clip import Mode
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.generate import SAMPLING, Codes, Generator, Pace, joined
from model.layout import layout

BEST: Final = "vLLM, waves"
Way = Callable[[Sequence[Task]], list[Codes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    batch: int
    films_per_minute: float  # median
    slowest: float
    fastest: float
    processor: float  # seconds of it for a film, median; all threads
    gain: float  # of vLLM's waves over this way: the median of the ratios within each repeat
    processor_gain: float  # the same by the processor's time
    at_best: float  # films a minute, by the layout's roofline on this machine


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

    def __init__(self, model: Model, pace: Pace, *, compiled: bool, ranks: int = 1, threads: str | None = None) -> None:
        settings = VllmSettings(
            weights=str(WEIGHTS / "pony"), films=32, pace=pace, compiled=compiled, prefix_cache=False, ranks=ranks,
            threads=threads, separate=ranks > 1,
        )  # fmt: skip
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

    def close(self) -> None:
        """Ends the engine."""
        self.loop.run_until_complete(self.engine.close())


def ways(model: Model, *, compiled: bool) -> dict[str, Way]:
    """Every way by its name, vLLM's waves first where vLLM is installed."""
    plain = {"reference, waves": reference(model, Pace.WAVES), "reference, slots": reference(model, Pace.SLOTS)}
    if not find_spec("vllm"):
        return plain
    return {
        BEST: Vllm(model, Pace.WAVES, compiled=compiled),
        "vLLM, slots": Vllm(model, Pace.SLOTS, compiled=compiled),
        **plain,
        "Hugging Face generate": hugging_face(model),
    }


@dataclass(slots=True)
class _Times:
    """Of one way at one batch."""

    clock: list[float]  # seconds for all films of a repeat
    processor: list[float]


def compared(
    all_ways: Mapping[str, Way],
    wanted: Callable[[int, int], Sequence[Task]],
    batches: Sequence[int],
    repeats: int,
    at_best: Callable[[Task, int, str], float] = lambda *_: 0.0,
) -> list[Row]:
    """Times all ways in turn, repeat by repeat. Raises SystemExit when two of them give other codes."""
    found: list[Row] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("films", total=len(batches) * (repeats + 1) * len(all_ways))
        for batch in batches:
            times = {name: _Times([], []) for name in all_ways}
            for repeat in range(-1, repeats):  # the first warms up
                made, asked = {}, wanted(batch, repeat + 1)
                for name, way in all_ways.items():
                    began, worked = time.perf_counter(), time.process_time()
                    made[name] = way(asked)
                    if repeat >= 0:
                        times[name].clock.append(time.perf_counter() - began)
                        times[name].processor.append(time.process_time() - worked)
                    progress.advance(bar)
                _agree(made)
            best = times[next(iter(all_ways))]
            found += [_row(name, batch, each, best, at_best(asked[0], batch, name)) for name, each in times.items()]
    return found


def _row(way: str, batch: int, own: _Times, best: _Times, at_best: float) -> Row:
    speeds = [60 * batch / seconds for seconds in own.clock]
    return Row(
        way=way,
        batch=batch,
        films_per_minute=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        processor=statistics.median(own.processor) / batch,
        gain=_ratio(own.clock, best.clock),
        processor_gain=_ratio(own.processor, best.processor),
        at_best=at_best,
    )


def _ratio(own: Sequence[float], best: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(own, best, strict=True))


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
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    only: Annotated[list[str] | None, typer.Option(help="Ways whose name holds this; several times.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of torch; 0 leaves it alone.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films a minute of every way, side by side."""
    if threads:
        torch.set_num_threads(threads)
    model, hardware = load("pony", device), here(device)

    def at_best(task: Task, films: int, way: str) -> float:
        table = layout(task.order.prompt.spec(model.config, task.order.chunks))
        return bound(table, model.config, hardware.machine, films, waves="waves" in way)

    chosen = {n: w for n, w in ways(model, compiled=compiled).items() if not only or any(o in n for o in only)}
    found = compared(
        chosen,
        lambda count, turn: tasks(model, count, 1_000 * count + 100 * turn, seconds),
        batch or [1, 8, 32],
        repeats,
        at_best,
    )
    if as_json:
        shown = {"hardware": told(hardware), "seconds": seconds, "rows": [asdict(r) for r in found]}
        typer.echo(json.dumps(shown, indent=2))
    else:
        show(found, hardware, seconds)


def show(found: Sequence[Row], hardware: Hardware, seconds: int) -> None:
    """Prints the table."""
    where = f"{hardware.name}, torch on {hardware.threads} threads"
    table = Table(title=f"Films of {seconds} s a minute, identical codes ({where})")
    best = found[0].way
    for heading in ("way", "at once", "films/min", "from … to", f"{best} are", "by processor time", "at best"):
        table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=heading == "way")
    for row in found:
        table.add_row(
            row.way,
            str(row.batch),
            f"{row.films_per_minute:.1f}",
            f"{row.slowest:.1f} … {row.fastest:.1f}",
            f"{row.gain:.2f}x",
            f"{row.processor_gain:.2f}x",
            f"{row.at_best:,.0f}",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    typer.run(main)
