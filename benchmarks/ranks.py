"""Tensor parallel on one and on two: `python -m benchmarks.ranks`. Needs vLLM's environment.

The same films on one rank and on two, in turn, with identical codes. Two ranks on a processor of two cores have a core
each, so the comparison is with one rank that has one thread: what is gained is what the second core brings, less what
the ranks tell each other after every layer. On GPUs each rank has its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.util import find_spec
from typing import Annotated

import torch
import typer

from benchmarks.engine import tasks
from benchmarks.hardware import DEVICE_HELP, here, told
from benchmarks.waves import Vllm, compared, show
from model.checkpoint import Model, load
from model.engine import Task
from model.generate import Pace


def _films(model: Model, seconds: int, count: int, turn: int) -> list[Task]:
    return tasks(model, count, 1_000 * count + 100 * turn, seconds)


def main(
    batch: Annotated[list[int] | None, typer.Option(help="Films at once; several times. [1, 8]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, max=3, help="Length of each film.")] = 2,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films a minute on one rank and on two."""
    if not find_spec("vllm"):
        raise SystemExit("vLLM is not installed here. Run `make setup-engine`, then use .venv-engine/bin/python.")
    parts = torch.cuda.device_count() if device == "cuda" else os.cpu_count() or 1
    if parts < 2:
        raise SystemExit(f"Two ranks need two {'GPUs' if device == 'cuda' else 'cores'}, and there is {parts}.")
    torch.set_num_threads(1)
    model = load()
    one, two = ("0", "0|1") if device == "cpu" else (None, None)
    both = {
        f"{ranks} rank{'s' * (ranks > 1)}, waves": Vllm(model, Pace.WAVES, compiled=False, ranks=ranks, threads=threads)
        for ranks, threads in ((2, two), (1, one))
    }
    try:
        found = compared(
            both, lambda n, turn: tasks(model, n, 1_000 * n + 100 * turn, seconds), batch or [1, 8], repeats
        )
    finally:
        for each in both.values():
            each.close()
    hardware = here(device)
    if as_json:
        typer.echo(json.dumps({"hardware": told(hardware), "rows": [asdict(row) for row in found]}, indent=2))
    else:
        show(found, hardware, seconds)


if __name__ == "__main__":
    typer.run(main)
