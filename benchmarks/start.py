"""From nothing to the first film: `python -m benchmarks.start`.

A new process each time, as a person or a restarted replica begins: imports, weights that are checked and loaded, the
engine's own start, one film of two seconds, its MP4. The page cache is warm but for the first run, which is left out.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.hardware import DEVICE_HELP, check, check_vllm, here, told

LONGEST: Final = 600  # seconds for one film, start included
RUN: Final = """
import json, sys, time
began = time.perf_counter()
from model import report
from model.cli import open_generator, open_vllm
from model.clip import Clip, Mode, Size
from pathlib import Path
imported = time.perf_counter()
generator = (open_generator("pony", "waves", None) if sys.argv[1] == "torch" else open_vllm("pony", "waves"))
generator.model.to(__import__("torch").device(sys.argv[3]))
loaded = time.perf_counter()
clip = Clip(prompt="a red circle bounces up and down", mode=Mode.T2V, size=Size(64, 64), seconds=2, seed=7)
made = report.shoot(generator, clip, Path(sys.argv[2]))
print(json.dumps([imported - began, loaded - imported, made.times["total"]]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One engine; medians, in seconds."""

    engine: str
    imports: float
    loading: float
    film: float  # the engine's start included, where it has one of its own
    whole: float  # of the process, from its start to its end
    processor: float  # seconds of it


def once(engine: str, device: str, folder: Path) -> tuple[float, ...]:
    """One process: imports, loading, film, whole, processor. Raises SystemExit when it makes none."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = perf_counter()
    ran = subprocess.run(  # our own interpreter and text
        [sys.executable, "-c", RUN, engine, str(folder / "film.mp4"), device],
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip
    whole = perf_counter() - began
    if ran.returncode:
        raise SystemExit(f"{engine} made no film: {(ran.stderr.strip().splitlines() or ['it says nothing'])[-1]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    imports, loading, film = json.loads(ran.stdout.splitlines()[-1])
    return imports, loading, film, whole, used


def measured(engine: str, device: str, repeats: int, done: Callable[[], None]) -> Row:
    """One engine, so many times, and once before."""
    with TemporaryDirectory() as folder:
        runs = []
        for _ in range(repeats + 1):
            runs.append(once(engine, device, Path(folder)))
            done()
    imports, loading, film, whole, used = (median(column) for column in zip(*runs[1:], strict=True))
    return Row(engine=engine, imports=imports, loading=loading, film=film, whole=whole, processor=used)


def main(
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    repeats: Annotated[int, typer.Option(min=1, help="Processes of each engine; medians count.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seconds from a new process to its first film."""
    check(device)
    engines = ["torch"]
    if find_spec("vllm"):
        check_vllm(device)
        engines.append("vllm")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("processes", total=len(engines) * (repeats + 1))
        rows = [measured(engine, device, repeats, lambda: progress.advance(bar)) for engine in engines]
    if as_json:
        shown = {"hardware": told(here(device)), "rows": [asdict(row) for row in rows]}
        typer.echo(json.dumps(shown, indent=2))
        return
    for row in rows:
        typer.echo(
            f"{row.engine:6} first film after {row.whole:.1f} s ({row.processor:.1f} s of the processor):"
            f" imports {row.imports:.1f}, weights {row.loading:.1f}, engine and film {row.film:.1f}"
        )


if __name__ == "__main__":
    typer.run(main)
