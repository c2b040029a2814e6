"""All benchmarks of the model and of a cell around it in one run: `python -m benchmarks`, or `make bench`.

Each part is a process of its own (`python -m benchmarks.PART`, which can be run alone), in the environment that it
needs: those that need vLLM run in `.venv-engine`, or in this one where vLLM is here, and are skipped with the reason
where it is in neither. The figures of all go into one JSON file, with what they ran on, beside a table and a picture;
they are written after every part, so a run that is broken off keeps what it has.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.figures import charts, lines
from benchmarks.machine import machine
from benchmarks.names import MODEL_HELP, Name
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
    model: bool = False  # takes --model; the others measure the pony
    quick: str = ""  # arguments for a first look


PARTS: Final = (
    Part("waves", "films a minute: waves, slots, Hugging Face", Vllm.BETTER, model=True, quick="--batch 1 --repeats 1"),
    Part("ranks", "tensor parallel on one and two ranks", Vllm.NEEDED, model=True, quick="--batch 1 --repeats 1"),
    Part("cell_tax", "a cell over its bare engine", Vllm.NEEDED, device=False, quick="--films 8 --repeats 1"),
    Part("pages", "films in flight for each GiB", Vllm.NEEDED, quick="--films 24"),
    Part("doors", "gate, submit and poll", device=False),
    Part("start", "from nothing to the first film", Vllm.BETTER, quick="--repeats 1"),
    Part("growth", "length and size", model=True, quick="--repeats 1"),
    Part("first", "first chunk that plays, and memory of a long film", quick="--repeats 1 --seconds 6"),
    Part("where", "where the time of a film goes", Vllm.BETTER, quick="--films 4"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the whole run measures."""

    device: str = "cpu"
    model: str = "pony"
    quick: bool = False


def engine_python() -> Path | None:
    """The interpreter of an environment with vLLM; None where there is none."""
    if ENGINE.exists():
        return ENGINE
    return Path(sys.executable) if find_spec("vllm") else None


def python_of(part: Part, asked: Asked) -> Path:
    """The interpreter that runs a part. On a GPU it is vLLM's for all that run a model: its torch knows the GPU."""
    wanted = part.vllm is not Vllm.NO or (asked.device == "cuda" and part.device)
    return (engine_python() if wanted else None) or Path(sys.executable)


def command(part: Part, asked: Asked) -> list[str]:
    """What runs it."""
    wanted = ("--device", asked.device) if part.device else ()
    of = ("--model", asked.model) if part.model and asked.model != "pony" else ()
    quick = part.quick.split() if asked.quick else ()
    return [str(python_of(part, asked)), "-m", f"benchmarks.{part.name}", *wanted, *of, *quick, "--json"]


def skipped(part: Part, asked: Asked) -> str | None:
    """Why a part is left out, or None."""
    if asked.device == "cuda" and not part.device:
        return "it measures what no GPU takes part in."
    if asked.model != "pony" and not part.model:
        return "it measures the pony alone."
    if part.vllm is Vllm.NEEDED and engine_python() is None:
        return "vLLM is not installed here. Run `make setup-engine`."
    return None


def measured(part: Part, asked: Asked) -> dict[str, Any]:
    """Its figures, or `skipped` or `failed` with the reason."""
    if (why := skipped(part, asked)) is not None:
        return {"skipped": why}
    began = perf_counter()
    try:
        ran = subprocess.run(  # our own module
            command(part, asked), cwd=ROOT, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"It took more than {LONGEST} s."}
    if ran.returncode:
        return {"failed": (ran.stderr.strip().splitlines() or ["It says nothing."])[-1]}
    return _read(ran.stdout) | {"took_s": round(perf_counter() - began, 1)}


def check_device(asked: Asked, parts: Sequence[Part]) -> None:
    """Raises BadParameter when no environment that would run a part can compute on the device."""
    if asked.device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"There is no device {asked.device!r}. Use cpu or cuda.")
    pythons = {python_of(part, asked) for part in parts if skipped(part, asked) is None}
    if asked.device == "cuda" and not any(map(_has_cuda, pythons)):
        raise typer.BadParameter(
            "torch finds no GPU here, so nothing can be measured on cuda. Use cpu (`make bench`), or a machine with a"
            " GPU and an environment with CUDA's builds: pip install 'equerry[vllm]', then python -m benchmarks."
        )


def _has_cuda(python: Path) -> bool:
    probe = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([python, "-c", probe], capture_output=True, timeout=LONGEST, check=False).returncode == 0


def _read(text: str) -> dict[str, Any]:
    """The JSON that a part ends with; libraries may have said something before."""
    start = text.find("\n{") + 1 if not text.startswith("{") else 0
    try:
        found = json.loads(text[start:])
    except json.JSONDecodeError:
        return {"failed": "It did not answer in JSON."}
    return found if isinstance(found, dict) else {"figures": found}


def table(told: dict[str, dict[str, Any]], about: dict[str, Any]) -> Table:
    """One line for each figure that a target or a decision hangs on."""
    where = f"{about['processor']}, {about['cores']} cores, load {about['load_before']} before"
    drawn = Table(title="Figures, each beside its yardstick of the same run", caption=where)
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
    model: Annotated[Name, typer.Option(help=MODEL_HELP)] = Name.PONY,
    only: Annotated[list[str] | None, typer.Option(help="Parts by name; several times. All if not said.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: short films, few repeats.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for bench.json and bench.svg.")] = Path("out/bench"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Run the benchmarks. On a machine that does other things too, figures are low: the load stands beside them."""
    chosen, asked, about = _chosen(only), Asked(device=device, model=model, quick=quick), machine()
    check_device(asked, chosen)
    told: dict[str, dict[str, Any]] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(chosen))
        for part in chosen:
            progress.update(bar, description=f"{part.name}: {part.about}")
            told[part.name] = measured(part, asked)
            write(out, {"machine": about, "asked": asdict(asked), "parts": told})
            progress.advance(bar)
    if as_json:
        typer.echo((out / "bench.json").read_text("utf-8"), nl=False)
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(told, about))
        typer.echo(f"All figures are in {out / 'bench.json'}, a picture of them in {out / 'bench.svg'}.")
    if any("failed" in figures for figures in told.values()):
        raise typer.Exit(1)


def write(out: Path, whole: dict[str, Any]) -> None:
    """The figures so far as JSON, and their picture."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    (out / "bench.svg").write_text(page(charts(whole["parts"])), "utf-8")


def _chosen(only: Sequence[str] | None) -> list[Part]:
    names = [part.name for part in PARTS]
    for name in only or ():
        if name not in names:
            raise typer.BadParameter(f"There is no part {name!r}. There are: {', '.join(names)}.")
    return [part for part in PARTS if not only or part.name in only]


if __name__ == "__main__":
    typer.run(main)
