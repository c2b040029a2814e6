"""`equerry model train` and `equerry model eval`: how the model came to be, and what it can do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.errors import BadRequest, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.clip import Clip, Film
    from model.make import Maker
    from model.train.run import Plan

STAGES = ("audio", "video", "trunk")
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
) -> None:
    """Train the pony from nothing: tokenizer, codecs, trunk. About two hours on 2 cores; stop and go on as you like."""
    import torch

    from model.config import PONY
    from model.train.recipe import Recipe, finish
    from model.train.recipe import train as run

    if device != "cpu" and not torch.cuda.is_available():
        raise BadRequest(f"There is no {device} device here. Use --device cpu.")
    if threads:
        torch.set_num_threads(threads)
    recipe = Recipe(config=PONY, folder=out, device=device, seed=seed, scale=scale)
    try:
        model = run(recipe, _bars())
        finish(recipe, model, out / "model")
    except OSError as error:
        raise Refused(f"{out} cannot be written ({error.strerror}). Free some space or name another folder.") from error
    typer.echo(f"The model is in {out / 'model'}. Try: equerry model eval --model {out / 'model'}")


def _bars() -> Any:
    """A bar for each stage on a terminal, a line every 50 steps in a pipe."""
    if not sys.stderr.isatty():
        return _line
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description:6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        console=Console(stderr=True),
    )
    progress.start()
    tasks = {stage: progress.add_task(stage, total=None, start=False, loss="") for stage in STAGES}

    def show(stage: str, plan: Plan, row: dict[str, float]) -> None:
        progress.start_task(tasks[stage])
        progress.update(tasks[stage], total=plan.steps, completed=row["step"], loss=f"loss {row['loss']:.3f}")
        if row["step"] >= plan.steps and stage == STAGES[-1]:
            progress.stop()

    return show


def _line(stage: str, plan: Plan, row: dict[str, float]) -> None:
    rest = ", ".join(f"{k} {v:.3f}" for k, v in row.items() if k not in ("step", "seconds"))
    typer.echo(f"{stage} {row['step']:.0f} of {plan.steps}, {row['seconds']:.0f} s: {rest}", err=True)


def evaluate(
    model: Annotated[str, typer.Option(help="Name of a shipped model, or a folder that holds one.")] = "pony",
    n: Annotated[int, typer.Option(help="Films a row; 200 or more for a figure to be quoted.", min=4)] = 200,
    seed: Annotated[int, typer.Option(help="Decides which films are asked for.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Measure what the model can do, beside the ceiling that its codecs allow and the floor that chance gives."""
    if n > MOST_CASES:
        raise BadRequest(f"{n} films a row would take days. Ask for {MOST_CASES:,} at most.")
    from model.checkpoint import load
    from model.cli import find
    from model.evaluate import evaluate as measured
    from model.generate import Generator
    from model.make import Maker

    maker = Maker(Generator(load(str(find(model)))))

    def make(clips: Sequence[Clip]) -> Sequence[Film]:
        return maker.make_many(clips)

    with _counted("films") as tell:
        report = measured(make, _through_codec(maker), n=n, seed=seed, progress=tell)
    if as_json:
        about = {"model": maker.model.config.name, "digest": maker.model.digest}
        typer.echo(json.dumps(about | report.json(), indent=1))
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(report.table())


def _counted(what: str) -> Any:
    from model.report import told

    return told("measuring", what)


def _through_codec(maker: Maker) -> Any:
    """The round trip of a film through its codes: the best that the model could do."""
    from model.make import Renderer

    def again(film: Film) -> Film:
        from dataclasses import replace

        renderer = Renderer(maker.model)
        renderer.add(maker.codes(film))
        frames, sound = renderer.all()
        return replace(film, frames=frames[: len(film.frames)], sound=sound[: len(film.sound)])

    return again
