"""Where the time of a film goes, one alone and eight at once: `python -m benchmarks.where`.

A whole cell on loopback makes the films, for clients in a process of their own (`benchmarks.askers`), and the functions
that do the work are timed from outside, each without what it calls that is timed too. On a processor it is the thread's
own time, so neither another program nor a wait counts; on a GPU it is the clock, with the GPU waited for. An engine in
a process of its own is one stage. What is left of the cell's time is HTTP, gate, log and objects.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, thread_time
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console
from rich.table import Table

import model.generate
import model.render
from benchmarks.askers import Hear
from benchmarks.cell_tax import cell, heard, home, started
from benchmarks.hardware import DEVICE_HELP, here, told
from benchmarks.picture import Bar, Part, page
from benchmarks.shares import Shares, shares
from benchmarks.steady import Lap, Laps
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
CORE: Final = "engine's own process"
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
        *(
            ("store", part, name)
            for part in STORE
            for name, what in vars(part).items()
            if name[0] != "_" and "wait" not in name and callable(what)
        ),
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


async def measured(kind: str, device: str, loads: Sequence[int], seconds: int, films: int, folder: Path) -> list[Row]:
    """One cell; for each load, so many films while as many more are in flight."""
    stages, rows = Stages(device), list[Row]()
    with timed(stages, kind):
        async with cell(home(folder / "cell", kind, max(loads))) as door:
            for place, load in enumerate(loads):
                clients = await started(door.url, door.key, load, 1000 * place, seconds, Hear.EVENTS)
                looks: list[dict[str, float]] = []

                def look(client: int = clients.pid, looks: list[dict[str, float]] = looks) -> Shares:
                    looks.append(dict(stages.seconds))
                    return shares(client)

                laps = Laps(ramp=2 * load, films=films, laps=1, look=look)
                await heard(clients, laps)
                (lap,) = laps.seen()
                took = {stage: seconds - looks[0].get(stage, 0.0) for stage, seconds in looks[1].items()}
                took |= {CORE: lap.spent.core} if lap.spent.core else {}
                rows += _rows(load, films, took, _whole(lap, device))
    return rows


def _whole(lap: Lap, device: str) -> float:
    """Seconds of which the stages are parts; the clients' own are none of them."""
    return lap.seconds if device == "cuda" else lap.spent.engine + lap.spent.rest


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
    films: Annotated[int, typer.Option(min=2, help="Films that are looked at, of each load.")] = 24,
    out: Annotated[Path | None, typer.Option(help="Where a picture goes, as SVG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seconds of each stage for a film, one at once and eight."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        rows = asyncio.run(measured(kind, device, (1, 8), seconds, films, Path(folder)))
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
