"""Films a minute by waves, slot by slot, and by Hugging Face's `generate`: `python -m benchmarks.waves`.

The same weights and the same prompts in the same run, all ways in turn, so that what else the machine does falls on
each; medians of the repeats, and of the ratios within each repeat. Beside the clock stands the processor's own time,
which other programs disturb less, and what the layout allows at best on this machine. In float32 on a processor every
way must give the same codes, or there is no table. In bfloat16, and on a GPU, each way rounds in another order, so
codes may part; then the share that agrees is told, and what is timed is the same number of steps. Needs vLLM's
environment; without it the reference alone is measured.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import torch
import typer

from benchmarks.films import SECONDS, films
from benchmarks.hardware import DEVICE_HELP, Numbers, bound, check_vllm, here, told
from benchmarks.names import MODEL_HELP, NUMBERS_HELP, SIZE_HELP, Name
from benchmarks.race import Opening, Way, compared, show
from benchmarks.subjects import Subject, read_subject
from model.clip import Mode
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.vllm_stepper import VllmStepper
from model.generate import SAMPLING, Codes, Generator, Pace, joined
from model.layout import layout

BEST: Final = "vLLM, waves"


def reference(subject: Subject, pace: Pace) -> Way:
    """The plain generator, all films in one pass."""
    generator = Generator(subject.model, pace=pace)
    return lambda wanted: generator.films([task.order for task in wanted])


def hugging_face(subject: Subject) -> Way:
    """`generate` with its own cache."""
    from benchmarks.hugging_face import Wrapped, generate

    wrapped = Wrapped(subject.model)
    return lambda wanted: generate(wrapped, [task.order for task in wanted], SAMPLING[Mode.T2V])


class Vllm:
    """vLLM's engine, at a pace."""

    def __init__(self, subject: Subject, pace: Pace, **others: int | bool | str | None) -> None:
        """Starts it, which takes seconds. Raises BadDevice."""
        check_vllm(subject.device)
        settings, config = subject.settings(pace, **others), subject.model.config
        self.engine = EngineLoop(lambda: VllmStepper(settings, config), config)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.engine.check())

    def __call__(self, wanted: Sequence[Task]) -> list[Codes]:
        async def film(task: Task) -> Codes:
            codes: Codes | None = None
            async for chunk in self.engine.submit(task):
                codes = chunk.codes if codes is None else joined(codes, chunk.codes)
            assert codes is not None
            return codes

        async def all_films() -> list[Codes]:
            return await asyncio.gather(*map(film, wanted))

        return self.loop.run_until_complete(all_films())

    def close(self) -> None:
        """Ends the engine."""
        self.loop.run_until_complete(self.engine.close())
        self.loop.close()


def vllm(subject: Subject, pace: Pace, **others: int | bool | str | None) -> Opening:
    """What starts such an engine."""
    return lambda: closing(Vllm(subject, pace, **others))


def ways(subject: Subject, *, compiled: bool) -> dict[str, Opening]:
    """Every way by its name, vLLM's waves first where vLLM is installed."""
    plain: dict[str, Opening] = {
        "reference, waves": lambda: nullcontext(reference(subject, Pace.WAVES)),
        "reference, slots": lambda: nullcontext(reference(subject, Pace.SLOTS)),
    }
    if not find_spec("vllm"):
        return plain
    return {
        BEST: vllm(subject, Pace.WAVES, compiled=compiled),
        "vLLM, slots": vllm(subject, Pace.SLOTS, compiled=compiled),
        **plain,
        "Hugging Face generate": lambda: nullcontext(hugging_face(subject)),
    }


def main(
    batch: Annotated[
        list[int] | None, typer.Option(help="Films at once; several times. [1, 8, 32; the horse 1, 8]", min=1, max=32)
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each measurement.")] = 3,
    seconds: Annotated[int | None, typer.Option(min=1, max=SECONDS, help="Of each film. [2; the horse's 1]")] = None,
    compiled: Annotated[bool, typer.Option(help="Let vLLM compile the model.")] = False,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    model: Annotated[Name, typer.Option(help=MODEL_HELP)] = Name.PONY,
    numbers: Annotated[Numbers | None, typer.Option(help=NUMBERS_HELP)] = None,
    size: Annotated[str | None, typer.Option(help=SIZE_HELP, metavar="WxH")] = None,
    apart: Annotated[
        bool | None, typer.Option(help="One way open at a time. If not said, so for the horse, which is large.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Ways whose name holds this; several times.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of torch; 0 leaves it alone.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Films a minute of every way, side by side."""
    if threads:
        torch.set_num_threads(threads)
    small = model is Name.PONY
    length = seconds or (2 if small else 1)
    with TemporaryDirectory() as folder:
        what = read_subject(model, device, numbers, [size] if size else [], Path(folder))
        hardware = here(device, what.numbers)

        def at_best(count: int, way: str) -> float:
            order, config = films(what.model, 1, 0, length)[0].order, what.model.config
            table = layout(order.prompt.spec(config, order.chunks))
            kept = what.numbers.bytes
            return bound(table, config, hardware.machine, count, waves="waves" in way, element=kept)

        found = compared(
            {n: w for n, w in ways(what, compiled=compiled).items() if not only or any(o in n for o in only)},
            lambda count, turn: films(what.model, count, 1_000 * count + 100 * turn, length),
            batch or ([1, 8, 32] if small else [1, 8]),
            repeats,
            at_best,
            device=device,
            exact=what.exact,
            apart=model is Name.HORSE if apart is None else apart,
        )
    about = {"model": model, "size": str(what.model.config.sizes[0]), "seconds": length, "compiled": compiled}
    if as_json:
        rows = [asdict(row) for row in found]
        typer.echo(json.dumps({"hardware": told(hardware), **about, "rows": rows}, indent=2))
    else:
        show(found, hardware, f"The {model}, {length} s of {about['size']}")


if __name__ == "__main__":
    typer.run(main)
