"""Where the time of a film goes, one alone and eight at once: `python -m benchmarks.where`.

A whole cell on loopback makes the films, and the functions that do the work are timed from outside, each without what
it calls that is timed too. On a processor it is the thread's own time, so neither another program nor a wait counts; on
a GPU it is the clock, with the GPU waited for. What is left of the process's time is HTTP, gate, log and objects.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, thread_time
from typing import Annotated, Any, Final

import httpx
import torch
import typer
from rich.console import Console
from rich.table import Table

import model.generate
import model.render
from benchmarks.cell_tax import cell, clips, home
from benchmarks.hardware import DEVICE_HELP, here, told
from benchmarks.picture import Bar, Part, page
from model.clip import Clip
from model.engines.loop import EngineLoop
from model.engines.torch_stepper import TorchStepper
from model.media import Encoder
from model.render import Renderer
from model.trunk import Trunk
from serving.jobs.sql.accounts import SqlAccounts
from serving.jobs.sql.bench import SqlBench
from serving.jobs.sql.counter import SqlCounter
from serving.jobs.sql.keep import SqlKeep
from serving.media.marks.marker import CellMarker
from serving.media.marks.marking import FilmMarking
from serving.studio.pictures import Pictures

STORE: Final = (SqlCounter, SqlBench, SqlKeep, SqlAccounts)
REST: Final = "HTTP, gate, log, objects"
LOOK: Final = 1.0  # seconds between two questions of a client
Place = tuple[str, Any, str]  # stage, what holds the function, its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage of one load."""

    films: int  # at once
    stage: str
    seconds: float  # for each film
    share: float  # of the film's whole time


class Stages:
    """Own seconds of each stage; functions may be nested, and run in any thread."""

    def __init__(self, device: str) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock, self._here, self._device = threading.Lock(), threading.local(), device

    def now(self) -> float:
        """Seconds."""
        if self._device == "cuda":
            torch.cuda.synchronize()
            return perf_counter()
        return thread_time()

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """While something of this stage goes on."""
        inside: list[float] = getattr(self._here, "inside", [])
        self._here.inside = inside
        inside.append(0.0)
        began = self.now()
        try:
            yield
        finally:
            took = self.now() - began
            own = took - inside.pop()
            if inside:
                inside[-1] += took
            with self._lock:
                self.seconds[stage] += own

    def wrapped(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            with self.of(stage):
                return function(*given, **named)

        return timed


def places(kind: str) -> list[Place]:
    """What is timed. Outer ones hold what is left of them."""
    found: list[Place] = [
        ("engine's loop", EngineLoop, "_turn"),
        ("codec", Renderer, "_rendered"),
        ("scale", model.render, "fit"),
        ("encode", Encoder, "add"),
        ("encode", Encoder, "finish"),
        ("marks", FilmMarking, "add"),
        ("marks", FilmMarking, "deliver"),
        ("sign", CellMarker, "sign"),
        ("pictures", Pictures, "add"),
        ("pictures", Pictures, "files"),
        *(("store", part, name) for part in STORE for name in vars(part) if name[0] != "_" and "wait" not in name),
    ]  # fmt: skip
    return [*found, *(_vllm() if kind == "vllm" else _torch())]


def _torch() -> list[Place]:
    return [
        ("trunk", Trunk, "forward"),
        ("trunk", Trunk, "logits"),
        ("sampler", model.generate, "draw"),
        ("host of the engine", TorchStepper, "step"),
    ]


def _vllm() -> list[Place]:
    from model.engines.vllm_stepper import VllmStepper
    from model.vllm_plugin import adapter, trunk

    return [
        ("trunk", adapter.Runner, "_model_forward"),
        ("trunk", trunk.EquerryTrunk, "compute_logits"),
        ("inbox", adapter, "fill"),
        ("sampler", adapter.Runner, "_sample"),
        ("host of the engine", VllmStepper, "step"),
    ]


@contextmanager
def timed(stages: Stages, kind: str) -> Iterator[None]:
    """Times what `places` names, until the end."""
    kept = [(holder, name, getattr(holder, name)) for _, holder, name in places(kind)]
    for (stage, _, _), (holder, name, function) in zip(places(kind), kept, strict=True):
        setattr(holder, name, stages.wrapped(stage, function))
    try:
        yield
    finally:
        for holder, name, function in kept:
            setattr(holder, name, function)


async def made(client: httpx.AsyncClient, wanted: Sequence[Clip]) -> None:
    """Has a cell make films, and asks it seldom: the client is in this process, and its questions count too."""

    async def one(clip: Clip) -> None:
        wish = {"prompt": clip.prompt, "seconds": str(clip.seconds), "size": str(clip.size), "seed": clip.seed}
        answer = (await client.post("/v1/videos", json=wish)).raise_for_status().json()
        while answer["status"] not in ("completed", "failed"):
            await asyncio.sleep(LOOK)
            answer = (await client.get(f"/v1/videos/{answer['id']}")).raise_for_status().json()
        if answer["status"] == "failed":
            raise SystemExit("A film failed, so there is nothing to measure. Run the cell's tests.")

    await asyncio.gather(*map(one, wanted))


async def measured(kind: str, device: str, loads: Sequence[int], seconds: int, rounds: int, folder: Path) -> list[Row]:
    """One cell; each load is made so many times, after one film that warms up."""
    stages, rows = Stages(device), list[Row]()
    with timed(stages, kind):
        async with cell(home(folder / "cell", kind, max(loads))) as client:
            make = partial(made, client)
            await make(clips(1, 9_000, seconds))
            for load in loads:
                stages.seconds.clear()
                began, worked = perf_counter(), process_time()
                for number in range(rounds):
                    await make(clips(load, 100 * load + 10 * number, seconds))
                whole = perf_counter() - began if device == "cuda" else process_time() - worked
                rows += _rows(load, load * rounds, dict(stages.seconds), whole)
    return rows


def _rows(load: int, films: int, spent: dict[str, float], whole: float) -> list[Row]:
    spent[REST] = max(0.0, whole - sum(spent.values()))
    ordered = sorted(spent.items(), key=lambda each: -each[1])
    return [Row(films=load, stage=stage, seconds=took / films, share=took / whole) for stage, took in ordered]


def picture(rows: Sequence[Row], title: str) -> str:
    """A bar for each load."""
    bars = []
    for load in dict.fromkeys(row.films for row in rows):
        parts = tuple(Part(row.stage, row.seconds) for row in rows if row.films == load)
        whole = sum(part.value for part in parts)
        bars.append(Bar(f"{load} film{'s' * (load > 1)} at once", parts, f"{whole:.2f} s a film"))
    return page([(title, bars)])


def main(
    kind: Annotated[str, typer.Option("--engine", help="torch or vllm.", metavar="torch|vllm")] = (
        "vllm" if find_spec("vllm") else "torch"
    ),
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    seconds: Annotated[int, typer.Option(min=2, max=15, help="Length of each film.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each load is made.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Where a picture goes, as SVG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seconds of each stage for a film, one at once and eight."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        rows = asyncio.run(measured(kind, device, (1, 8), seconds, rounds, Path(folder)))
    title = f"Where the time of a film of {seconds} s goes, engine {kind}"
    if out is not None:
        out.write_text(picture(rows, title), "utf-8")
    if as_json:
        shown = {"hardware": told(here(device)), "engine": kind, "seconds": seconds, "rows": [asdict(r) for r in rows]}
        typer.echo(json.dumps(shown, indent=2))
        return
    table = Table(title=title)
    for heading in ("at once", "stage", "ms a film", "share"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for row in rows:
        table.add_row(str(row.films), row.stage, f"{1000 * row.seconds:.1f}", f"{row.share:.1%}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
