"""How cost grows with a film's length and size: `python -m benchmarks.growth`.

Beside every time stands what the layout predicts for it: slots that are decoded, steps, and the roofline. A film longer
than a window is made window by window, each of which reads again what it shares with the one before; that is in the
prediction. Exponents are fitted by least squares in logarithms: 1 is linear. Sizes need no training to be timed, so the
weights of that part are drawn from chance, with a grid that is large enough; the horse has no others. What grows is the
processor's time on a processor, and the clock's on a GPU, which is waited for. Each film is made once before it counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.hardware import DEVICE_HELP, Hardware, Numbers, bound, finished, here, told
from benchmarks.names import MODEL_HELP, NUMBERS_HELP, Name
from benchmarks.subjects import Subject, read_subject
from model.checkpoint import Model
from model.clip import Clip, Mode, Size
from model.generate import Generator, windows, within
from model.layout import Layout, layout
from model.make import Maker
from model.trunk import Trunk

LENGTHS = (1, 2, 4, 8, 15)  # seconds
SIZES = {
    Name.PONY: (Size(64, 64), Size(96, 64), Size(128, 96), Size(192, 112), Size(256, 144)),
    Name.HORSE: (Size(256, 144), Size(512, 288), Size(768, 432), Size(1280, 720)),
    Name.FOAL: (Size(64, 48), Size(96, 64), Size(128, 96)),
}
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One film, decoded alone by the reference generator."""

    what: str  # length or size
    at: str
    slots: int  # decoded
    steps: int
    seconds: float  # median
    processor: float  # seconds of it, median
    cost: float  # the processor's seconds on a processor, the clock's on a GPU
    least: float  # seconds, by the roofline
    per_slot_us: float  # microseconds of that


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An exponent: the cost grows with `of` to the power of it."""

    what: str
    of: str
    exponent: float
    predicted: float  # the roofline's own exponent


def model_for(what: Subject, name: Name, size: Size) -> Model:
    """A model that makes one size natively. The pony's weights are then from chance, since its grid may grow."""
    own = what.model
    if name is not Name.PONY:
        return own
    side = max(size.width, size.height) // own.config.video.patch
    config = replace(own.config, sizes=(size,), trunk=replace(own.config.trunk, grid=max(side, own.config.trunk.grid)))
    trunk = Trunk(config)
    trunk.begin(config, torch.Generator().manual_seed(0))
    return replace(own, config=config, trunk=trunk.to(own.device).eval().requires_grad_(False))


def layouts(maker: Maker, clip: Clip) -> list[Layout]:
    """Of each window of a film."""
    c, ready = maker.model.config, maker.ready(clip)
    found = []
    for mode, window in windows(clip.mode, ready.order.chunks, 0, c.window, c.overlap, c.window - c.overlap):
        prompt = within(ready.order.prompt, mode, window, c.chunk_seconds.denominator)
        found.append(layout(prompt.spec(c, window.chunks, given=window.given)))
    return found


def measured(
    what: str,
    at: str,
    model: Model,
    size: Size,
    seconds: int,
    repeats: int,
    hardware: Hardware,
    done: Callable[[], None],
) -> Row:
    """Decodes one film so many times."""
    maker = Maker(Generator(model))
    clip = Clip(prompt="a red circle bounces up and down", mode=Mode.T2V, size=size, seconds=seconds, seed=SEED)
    order, tables, walls, works = maker.ready(clip).order, layouts(maker, clip), [], []
    steps = 0
    for turn in range(repeats + 1):  # the first warms up
        generator = Generator(model)
        began, worked = perf_counter(), process_time()
        generator.films([order])
        finished(hardware.device)
        if turn:
            walls.append(perf_counter() - began)
            works.append(process_time() - worked)
        steps = generator.steps
        done()
    slots = order.chunks * tables[0].spec.chunk_slots
    element = hardware.numbers.bytes
    least = sum(60 / bound(table, model.config, hardware.machine, 1, waves=True, element=element) for table in tables)
    cost = median(works if hardware.device == "cpu" else walls)
    return Row(
        what=what, at=at, slots=slots, steps=steps, seconds=median(walls), processor=median(works), cost=cost,
        least=least, per_slot_us=1e6 * cost / slots,
    )  # fmt: skip


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the power law through points, by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def fits(rows: Sequence[Row]) -> list[Fit]:
    """Of length from two seconds on (the first chunk has more waves, so one second is dearer), and of size."""
    length = [row for row in rows if row.what == "length" and float(row.at.split()[0]) >= 2]
    size = [row for row in rows if row.what == "size"]
    return [
        Fit(
            what=what,
            of="slots",
            exponent=exponent([r.slots for r in some], [r.cost for r in some]),
            predicted=exponent([r.slots for r in some], [r.least for r in some]),
        )
        for what, some in (("length", length), ("size", size))
        if len(some) > 1
    ]


def run(what: Subject, name: Name, repeats: int) -> tuple[Hardware, list[Row]]:
    """All films; each length and each size is one film."""
    torch.set_num_threads(1)
    hardware, sizes, model = here(what.device, what.numbers), SIZES[name], what.model
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("films", total=(len(LENGTHS) + len(sizes)) * (repeats + 1))

        def done() -> None:
            progress.advance(bar)

        rows = [measured("length", f"{n} s", model, sizes[0], n, repeats, hardware, done) for n in LENGTHS]
        rows += [measured("size", str(s), model_for(what, name, s), s, 1, repeats, hardware, done) for s in sizes]
    return hardware, rows


def main(
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    model: Annotated[Name, typer.Option(help=MODEL_HELP)] = Name.PONY,
    numbers: Annotated[Numbers | None, typer.Option(help=NUMBERS_HELP)] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each film; medians count.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time of films of 1 to 15 s and of several sizes, with the exponents by which it grows."""
    with TemporaryDirectory() as folder:
        sizes = [] if model is Name.PONY else list(map(str, SIZES[model]))
        hardware, rows = run(read_subject(model, device, numbers, sizes, Path(folder)), model, repeats)
    found = fits(rows)
    if as_json:
        shown = {
            "hardware": told(hardware),
            "model": model,
            "rows": [asdict(r) for r in rows],
            "fits": [asdict(f) for f in found],
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    table = Table(title=f"Decoding one film of the {model} by waves, one thread ({hardware.name})")
    for heading in ("film", "slots", "steps", "seconds", "of the processor", "roofline", "us a slot"):
        table.add_column(heading, justify="left" if heading == "film" else "right")
    for r in rows:
        table.add_row(
            r.at, f"{r.slots:,}", f"{r.steps:,}", f"{r.seconds:.2f}", f"{r.processor:.2f}", f"{r.least:.3f}",
            f"{r.per_slot_us:.0f}",
        )  # fmt: skip
    Console().print(table)
    for f in found:
        typer.echo(f"grows with {f.of} of {f.what} to the power {f.exponent:.3f}; the roofline's is {f.predicted:.3f}")


if __name__ == "__main__":
    typer.run(main)
