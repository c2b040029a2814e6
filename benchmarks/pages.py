"""Films in flight for each GiB of keys and values: `python -m benchmarks.pages`. Needs vLLM's environment.

Films of mixed lengths and modes ask for very different room. An engine with one contiguous block for each film must
make it as long as the longest window that may come, or know each length beforehand, as the layout tells it here, and
lose nothing to gaps between blocks; vLLM's pages are taken as rows come. So many films are given to vLLM at once, with
a small cache, and after every step it is asked how many it has at work; the contiguous figures are the same cache,
divided by the longest block, and by the mean one: the second is more than such an engine could reach.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import mean
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.films import COLOURS, SHAPES
from benchmarks.hardware import DEVICE_HELP, FLOAT32, check, check_vllm, here, told
from model.checkpoint import WEIGHTS, Model, load
from model.clip import Clip, Film, Mode, Size
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.stepper import Drawn
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.engines.walk import Walk
from model.generate import Generator
from model.make import Maker
from model.plan import shape_of

MIB: Final = 2**20
GIB: Final = 2**30
BLOCK: Final = 32  # rows of a page
SIDE: Final = 32  # pixels of a reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way of keeping keys and values."""

    way: str
    cache_mib: float
    films_at_work: float  # mean over the steps in which more films wait than fit
    films_per_gib: float
    in_use: float  # share of what is reserved for a film that holds something when its window ends


class Watched(VllmStepper):
    """Counts the films at work behind each step while others wait."""

    def __init__(self, settings: VllmSettings, model: Model, counted: list[int]) -> None:
        super().__init__(settings, model.config)
        self.counted = counted

    def step(self) -> list[Drawn]:
        """See Stepper."""
        drawn = super().step()
        scheduler = self._llm.engine_core.engine_core.scheduler
        if len(scheduler.waiting):
            self.counted.append(len(scheduler.running))
        return drawn


def mixed(model: Model, count: int) -> list[Task]:
    """Films of 1, 2 and 3 s, from text and from one to nine references, all different."""
    maker, rng, found = Maker(Generator(model)), np.random.default_rng(0), []
    for n in range(count):
        references = tuple(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8) for _ in range((0, 0, 1, 3, 9)[n % 5]))
        named = " and ".join(f"[{k + 1}]" for k in range(len(references)))
        text = f"a {COLOURS[n % 8]} {SHAPES[n % 5]} bounces {n}" if not references else f"{named} bounces {n}"
        mode = Mode.R2V if references else Mode.T2V
        clip = Clip(prompt=text, mode=mode, size=Size(64, 64), seconds=1 + n % 3, seed=n, references=references)
        found.append(Task(job=str(n), order=maker.ready(clip).order))
    return found


def lengths(tasks: Sequence[Task], model: Model) -> list[int]:
    """Slots of each film's longest window."""
    found = []
    for task in tasks:
        cut = Walk(task, model.config).next()
        assert cut is not None
        found.append(cut.spec.slots)
    return found


def longest(model: Model) -> int:
    """Slots of the longest window that may be asked for: an edit as long as a window, with every reference."""
    c, size = model.config, max(model.config.sizes, key=lambda s: s.width * s.height)
    frames = np.zeros((c.window * c.video.frames, size.height, size.width, 3), np.uint8)
    source = Film(frames=frames, fps=Fraction(c.video.fps), sound=np.zeros(0, np.float32), rate=c.audio.rate)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    clip = Clip(
        prompt="make the circle red and so on " * 40,
        mode=Mode.EDIT,
        size=size,
        seconds=3,
        seed=0,
        source=source,
        references=(picture,) * c.most_references,
    )
    return lengths([Task(job="longest", order=Maker(Generator(model)).ready(clip).order)], model)[0]


async def at_work(model: Model, tasks: Sequence[Task], cache: int) -> list[int]:
    """What was counted while vLLM made all of them."""
    counted: list[int] = []
    settings = VllmSettings(
        weights=str(WEIGHTS / "pony"),
        films=len(tasks),
        cache_bytes=cache,
        prefix_cache=False,
        threads="nobind",
        block=BLOCK,
    )
    engine = EngineLoop(lambda: Watched(settings, model, counted), model.config)

    async def hear(task: Task) -> None:
        async for _ in engine.submit(task):
            pass

    try:
        await asyncio.gather(*map(hear, tasks))
    finally:
        await engine.close()
    return counted


def main(
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    films: Annotated[int, typer.Option(min=8, max=256, help="Films that are asked for at once.")] = 40,
    cache_mib: Annotated[int, typer.Option(min=16, help="Keys and values in all, in MiB.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films in flight for each GiB, in pages and in contiguous blocks."""
    check(device)
    check_vllm(device)
    model = load("pony")
    tasks = mixed(model, films)
    each, cache = shape_of(model.config, FLOAT32).kv_bytes_per_slot, cache_mib * MIB
    with Progress(console=Console(stderr=True), transient=True) as progress:
        progress.add_task("films", total=None)
        counted = asyncio.run(at_work(model, tasks, cache))
    if not counted:
        raise SystemExit("All films fitted at once. Give more films or a smaller cache.")
    slots, most = lengths(tasks, model), longest(model)
    paged, reserved = mean(counted), mean(-(-some // BLOCK) * BLOCK for some in slots)
    rows = [
        Row(
            way="pages", cache_mib=cache_mib, films_at_work=paged, films_per_gib=paged * GIB / cache,
            in_use=mean(slots) / reserved,
        ),
        Row(
            way="contiguous, of the longest window", cache_mib=cache_mib, films_at_work=cache // (most * each),
            films_per_gib=GIB / (most * each), in_use=mean(slots) / most,
        ),
        Row(
            way="contiguous, of its own length", cache_mib=cache_mib, films_at_work=cache / (mean(slots) * each),
            films_per_gib=GIB / (mean(slots) * each), in_use=1.0,
        ),
    ]  # fmt: skip
    if as_json:
        about = {"hardware": told(here(device)), "longest": most, "mean": mean(slots), "bytes_per_slot": each}
        typer.echo(json.dumps(about | {"rows": [asdict(row) for row in rows]}, indent=2))
        return
    typer.echo(
        f"{films} films of {min(slots)} to {max(slots)} slots, {mean(slots):.0f} on average; longest window {most}"
    )
    for row in rows:
        typer.echo(f"{row.way:36} {row.films_at_work:5.1f} films in {cache_mib} MiB, {row.films_per_gib:6.0f} a GiB")


if __name__ == "__main__":
    typer.run(main)
