"""`equerry model train` and `equerry model eval`: how the model came to be, and what it can do."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.errors import BadRequest, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.checkpoint import Model
    from model.clip import Clip, Film
    from model.evaluate import Report
    from model.make import Maker
    from model.parity import Parity
    from model.train.recipe import OnRow
    from model.train.run import Plan

MOST_CASES = 5_000


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; the same folder goes on where it stopped.")] = Path(
        "runs/pony"
    ),
    seed: Annotated[int, typer.Option(help="Decides everything.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="Where to train.", metavar="cpu|cuda")] = "cpu",
    scale: Annotated[
        float, typer.Option(help="Of the number of steps: 0.01 is a quick try.", min=1e-4, max=10.0)
    ] = 1.0,
    threads: Annotated[int, typer.Option(help="Processor threads; 0 leaves it to torch.", min=0, max=256)] = 0,
    start: Annotated[
        str, typer.Option(help="Go on from this model: keep its tokenizer and codecs, and train its trunk further.")
    ] = "",
) -> None:
    """Train the pony: tokenizer, codecs, trunk. Hours on 2 cores; stop and go on as you like."""
    import torch
    from safetensors import SafetensorError

    from model.checkpoint import load
    from model.config import PONY
    from model.train.recipe import Recipe, finish
    from model.train.recipe import train as run

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise BadRequest(f"There is no {device} device here. Use --device cpu.")
    if not math.isfinite(scale):
        raise BadRequest("The scale must be a number. Use 1 for the whole recipe.")
    if threads:
        torch.set_num_threads(threads)
    first = load(start, device) if start else None
    recipe = Recipe(config=PONY, folder=out, device=device, seed=seed, scale=scale, start=first)
    try:
        with _told() as tell:
            model = run(recipe, tell)
        finish(recipe, model, out / "model")
    except (OSError, SafetensorError) as error:
        raise Refused(f"{out} cannot be written ({error}). Free some space or name another folder.") from error
    typer.echo(f"The model is in {out / 'model'}. Try: equerry model eval --model {out / 'model'}")


@contextmanager
def _told() -> Iterator[OnRow]:
    """A bar for each stage on a terminal, a line every 50 steps in a pipe."""
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from model.train.recipe import STAGES

    columns = (TextColumn("{task.description:6}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[loss]}"), console=Console(stderr=True)) as progress:
        tasks = {stage: progress.add_task(stage, total=None, start=False, loss="") for stage in STAGES}

        def show(stage: str, plan: Plan, row: dict[str, float]) -> None:
            progress.start_task(tasks[stage])
            progress.update(tasks[stage], total=plan.steps, completed=row["step"], loss=f"loss {row['loss']:.3f}")

        yield show


def _line(stage: str, plan: Plan, row: dict[str, float]) -> None:
    rest = ", ".join(f"{k} {v:.3f}" for k, v in row.items() if k not in ("step", "seconds"))
    typer.echo(f"{stage} {row['step']:.0f} of {plan.steps}, {row['seconds']:.0f} s: {rest}", err=True)


def evaluate(
    model: Annotated[str, typer.Option(help="Name of a shipped model, or a folder that holds one.")] = "pony",
    n: Annotated[int, typer.Option(help="Films a row; 200 or more for a figure to be quoted.", min=4)] = 200,
    seed: Annotated[int, typer.Option(help="Decides which films are asked for.", min=0)] = 0,
    only_engine: Annotated[
        bool, typer.Option("--only-engine", help="Only the engine's rows: a minute, not hours. vLLM's need vLLM.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Measure what the model can do, beside the ceiling that its codecs allow and the floor that chance gives.

    The last rows are the engine's: what it draws by waves, by slots, resumed, on vLLM and on two ranks is the same.
    """
    if n > MOST_CASES:
        raise BadRequest(f"{n} films a row would take days. Ask for {MOST_CASES:,} at most.")
    from model.checkpoint import load
    from model.cli import find
    from model.evaluate import evaluate as measured
    from model.generate import Generator
    from model.make import Maker
    from model.parity import parity

    maker = Maker(Generator(load(str(find(model)))))

    def make(clips: Sequence[Clip]) -> Sequence[Film]:
        return maker.make_many(clips)

    report = None
    if not only_engine:
        with _counted("films") as tell:
            report = measured(make, _through_codec(maker), n=n, seed=seed, progress=tell)
    _show(maker.model, report, parity(maker.model), as_json)


def _show(model: Model, report: Report | None, engine: Sequence[Parity], as_json: bool) -> None:
    """The films' rows, if they were measured, and the engine's."""
    if as_json:
        about = {"model": model.config.name, "digest": model.digest}
        rows = [asdict(row) | {"passed": row.passed, "told": row.told} for row in engine]
        films = {} if report is None else report.json()
        typer.echo(json.dumps(about | films | {"engine": rows}, indent=1))
        return
    from rich.console import Console

    if report is not None:
        Console(width=None if sys.stdout.isatty() else 160).print(report.table())
    for row in engine:
        typer.echo(f"engine: {row.what}: {'BROKEN: ' if row.passed is False else ''}{row.told}")


def _counted(what: str) -> Any:
    from model.report import told

    return told("measuring", what)


def _through_codec(maker: Maker) -> Any:
    """The round trip of a film through its codes: the best that the model could do."""
    from model.make import Renderer

    def again(film: Film) -> Film:
        renderer = Renderer(maker.model)
        renderer.add(maker.codes(film))
        frames, sound = renderer.all()
        return replace(film, frames=frames[: len(film.frames)], sound=sound[: len(film.sound)])

    return again
