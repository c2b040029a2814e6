"""All benchmarks of the model and of a cell around it in one run: `python -m benchmarks`, or `make bench`.

Each part is a process of its own (`python -m benchmarks.PART`, which can be run alone), in the environment that it
needs: those that need vLLM run in `.venv-engine`, and are skipped with the reason where it is not. The figures of all
go into one JSON file, with what they ran on, beside a table and a picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.figures import charts, lines
from benchmarks.picture import page

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINE: Final = ROOT / ".venv-engine" / "bin" / "python"
LONGEST: Final = 3_600  # seconds for one part


class Vllm(StrEnum):
    """Whether a part runs with vLLM."""

    NO = "no"
    BETTER = "better"  # without it, the reference is measured alone
    NEEDED = "needed"


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark."""

    name: str  # of its module
    about: str
    vllm: Vllm = Vllm.NO
    device: bool = True  # takes --device
    quick: str = ""  # arguments for a first look


PARTS: Final = (
    Part("waves", "films a minute: waves, slots, Hugging Face", Vllm.BETTER, quick="--batch 1 --repeats 1"),
    Part("ranks", "tensor parallel on one and two ranks", Vllm.NEEDED, quick="--batch 1 --repeats 1"),
    Part("cell_tax", "a cell over its bare engine", Vllm.NEEDED, device=False, quick="--films 8 --repeats 1"),
    Part("pages", "films in flight for each GiB", Vllm.NEEDED, quick="--films 24"),
    Part("doors", "gate, submit and poll", device=False),
    Part("start", "from nothing to the first film", Vllm.BETTER, quick="--repeats 1"),
    Part("growth", "length and size", quick="--repeats 1"),
    Part("first", "first chunk that plays, and memory of a long film", quick="--repeats 1 --seconds 4"),
    Part("where", "where the time of a film goes", Vllm.BETTER, quick="--films 4"),
)


def command(part: Part, device: str, quick: bool) -> list[str]:
    """What runs it."""
    python = str(ENGINE) if part.vllm is not Vllm.NO and ENGINE.exists() else sys.executable
    wanted = ("--device", device) if part.device else ()
    return [python, "-m", f"benchmarks.{part.name}", *wanted, *(part.quick.split() if quick else ()), "--json"]


def measured(part: Part, device: str, quick: bool) -> dict[str, Any]:
    """Its figures, or `skipped` or `failed` with the reason."""
    if part.vllm is Vllm.NEEDED and not ENGINE.exists():
        return {"skipped": "vLLM is not installed here. Run `make setup-engine`."}
    if device == "cuda" and not part.device:
        return {"skipped": "it measures what no GPU takes part in."}
    began = perf_counter()
    try:
        ran = subprocess.run(  # our own module
            command(part, device, quick), cwd=ROOT, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"It took more than {LONGEST} s."}
    if ran.returncode:
        return {"failed": (ran.stderr.strip().splitlines() or ["It says nothing."])[-1]}
    return _read(ran.stdout) | {"took_s": round(perf_counter() - began, 1)}


def _read(text: str) -> dict[str, Any]:
    """The JSON that a part ends with; libraries may have said something before."""
    start = text.find("\n{") + 1 if not text.startswith("{") else 0
    try:
        found = json.loads(text[start:])
    except json.JSONDecodeError:
        return {"failed": "It did not answer in JSON."}
    return found if isinstance(found, dict) else {"figures": found}


def table(told: dict[str, dict[str, Any]]) -> Table:
    """One line for each figure that a target or a decision hangs on."""
    drawn = Table(title="Figures, each beside its yardstick of the same run")
    for heading in ("part", "what", "figure", "wanted"):
        drawn.add_column(heading)
    for name, figures in told.items():
        why = figures.get("skipped") or figures.get("failed")
        for what, figure, wanted in (
            [("skipped" if "skipped" in figures else "failed", why, "")] if why else lines(name, figures)
        ):
            drawn.add_row(name, what, str(figure), wanted)
    return drawn


def main(
    device: Annotated[str, typer.Option(help="Where the model runs.", metavar="cpu|cuda")] = "cpu",
    only: Annotated[list[str] | None, typer.Option(help="Parts by name; several times. All if not said.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: short films, few repeats.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for bench.json and bench.svg.")] = Path("out/bench"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Run the benchmarks. On a machine that does other things too, figures are low: the load stands beside them."""
    chosen = _chosen(only)
    told: dict[str, dict[str, Any]] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(chosen))
        for part in chosen:
            progress.update(bar, description=f"{part.name}: {part.about}")
            told[part.name] = measured(part, device, quick)
            progress.advance(bar)
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    (out / "bench.svg").write_text(page(charts(told)), "utf-8")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(told))
        typer.echo(f"All figures are in {out / 'bench.json'}, a picture of them in {out / 'bench.svg'}.")
    if any("failed" in figures for figures in told.values()):
        raise typer.Exit(1)


def _chosen(only: Sequence[str] | None) -> list[Part]:
    names = [part.name for part in PARTS]
    for name in only or ():
        if name not in names:
            raise typer.BadParameter(f"There is no part {name!r}. There are: {', '.join(names)}.")
    return [part for part in PARTS if not only or part.name in only]


if __name__ == "__main__":
    typer.run(main)
