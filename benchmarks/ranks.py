"""Tensor parallel on one and on two: `python -m benchmarks.ranks`. Needs vLLM's environment.

The same films on one rank and on two, in turn, with identical codes. Two ranks on a processor of two cores have a core
each, so the comparison is with one rank that has one thread: what is gained is what the second core brings, less what
the ranks tell each other after every layer. Both engines are processes of their own, so neither has a shorter way. On
GPUs each rank has its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import torch
import typer

from benchmarks.films import SECONDS, films
from benchmarks.hardware import DEVICE_HELP, Numbers, check, here, told
from benchmarks.names import MODEL_HELP, NUMBERS_HELP, SIZE_HELP, Name
from benchmarks.race import Opening, compared, show
from benchmarks.subjects import Subject, read_subject
from benchmarks.waves import vllm
from model.generate import Pace

BINDING: Final = {1: "0", 2: "0|1"}  # cores of each rank, on a processor


def check_parts(device: str) -> None:
    """Raises SystemExit unless there is vLLM, and a part of the machine for each rank."""
    check(device)
    if not find_spec("vllm"):
        raise SystemExit("vLLM is not installed here. Run `make setup-engine`, then use .venv-engine/bin/python.")
    parts = torch.cuda.device_count() if device == "cuda" else os.cpu_count() or 1
    if parts < len(BINDING):
        raise SystemExit(f"Two ranks need two {'GPUs' if device == 'cuda' else 'cores'}, and there is {parts}.")


def ranked(what: Subject, ranks: int) -> Opening:
    """An engine of so many ranks."""
    threads = BINDING[ranks] if what.device == "cpu" else None
    return vllm(what, Pace.WAVES, ranks=ranks, threads=threads, separate=True)


def main(
    batch: Annotated[list[int] | None, typer.Option(help="Films at once; several times. [1, 8]", min=1, max=32)] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, max=SECONDS, help="Length of each film.")] = 2,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    model: Annotated[Name, typer.Option(help=MODEL_HELP)] = Name.PONY,
    numbers: Annotated[Numbers | None, typer.Option(help=NUMBERS_HELP)] = None,
    size: Annotated[str | None, typer.Option(help=SIZE_HELP, metavar="WxH")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films a minute on one rank and on two."""
    check_parts(device)
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        what = read_subject(model, device, numbers, [size] if size else [], Path(folder))
        found = compared(
            {"2 ranks, waves": ranked(what, 2), "1 rank, waves": ranked(what, 1)},
            lambda count, turn: films(what.model, count, 1_000 * count + 100 * turn, seconds),
            batch or [1, 8],
            repeats,
            device=device,
            exact=what.exact,
            apart=model is Name.HORSE,
        )
    hardware = here(device, what.numbers)
    about = {"model": model, "size": str(what.model.config.sizes[0]), "seconds": seconds}
    if as_json:
        rows = [asdict(row) for row in found]
        typer.echo(json.dumps({"hardware": told(hardware), **about, "rows": rows}, indent=2))
    else:
        show(found, hardware, f"The {model}, {seconds} s of {about['size']}")


if __name__ == "__main__":
    typer.run(main)
