"""How soon a long film can be watched, and how much memory it takes: `python -m benchmarks.first`.

A film of 15 s is rendered, scaled and compressed while it is decoded. What is measured: when its first chunk was there
as an MP4 that plays, beside the time that the whole film took; the resident memory after each chunk, which must not
grow behind the first ones; and the same film developed after it was decoded, in turn, so that the gain is seen. Both
ways must give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.hardware import DEVICE_HELP, Hardware, here, told
from model.checkpoint import Model, load
from model.clip import Clip, Film, Frames, Mode, Size
from model.darkroom import Darkroom
from model.generate import Codes, Generator
from model.make import Maker
from model.media import Encoder, encode_film
from model.render import Development

PROMPT = "a red circle bounces up and down and a blue square slides left"
MIB = 2**20
WARM = 10  # chunks until buffers and caches are there: the encoder looks 40 frames ahead


@dataclass(slots=True, kw_only=True)
class Run:
    """One film."""

    way: str  # meanwhile or afterwards
    first: float = 0.0  # seconds until the first chunk was an MP4 that plays
    whole: float = 0.0  # seconds until the film was
    resident: list[float] = field(default_factory=list)  # MiB behind each chunk
    body: bytes = b""

    @property
    def grown(self) -> float:
        """MiB between the first chunks and the last; of a short film, between the last two."""
        warm = min(WARM, len(self.resident) - 1)
        return max(self.resident[warm:]) - self.resident[warm - 1]


def meanwhile(model: Model, clip: Clip) -> Run:
    """Develops each chunk while the next is decoded."""
    run, began, maker = Run(way="meanwhile"), perf_counter(), Maker(Generator(model))
    ready = maker.ready(clip)
    film, encoder = Development(model, clip.size, ready.frames), _encoder(model, clip)

    def develop(codes: Codes) -> None:
        frames = film.add(codes)
        encoder.add(frames)
        if not run.first:
            encode_film(Film(frames=frames, fps=encoder.fps, sound=film.sound(), rate=encoder.rate))
            run.first = perf_counter() - began
        run.resident.append(_resident())

    with Darkroom[Codes](develop) as room:
        maker.generator.films([ready.order], lambda _, codes: room.put(codes))
    run.body = encoder.finish(film.sound())
    run.whole = perf_counter() - began
    return run


def afterwards(model: Model, clip: Clip) -> Run:
    """Decodes all, then renders all, then scales and compresses all."""
    run, began, maker = Run(way="afterwards"), perf_counter(), Maker(Generator(model))
    ready = maker.ready(clip)
    codes = maker.generator.films([ready.order])[0]
    film, encoder, frames = Development(model, clip.size, ready.frames), _encoder(model, clip), list[Frames]()
    for number in range(len(codes.video)):
        frames.append(film.add(codes[number : number + 1]))
        run.resident.append(_resident())
    for some in frames:
        encoder.add(some)
    run.body = encoder.finish(film.sound())
    run.first = run.whole = perf_counter() - began
    return run


def _encoder(model: Model, clip: Clip) -> Encoder:
    return Encoder(clip.size, Fraction(model.config.video.fps), model.config.audio.rate)


def _resident() -> float:
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / MIB


def run(device: str, seconds: int, size: Size, repeats: int, done: Callable[[], None]) -> tuple[Hardware, list[Run]]:
    """Both ways in turn. Raises SystemExit when they give other bytes."""
    torch.set_num_threads(1)
    hardware = here(device)
    model = load("pony", device)
    clip = Clip(prompt=PROMPT, mode=Mode.T2V, size=size, seconds=seconds, seed=7)
    runs = []
    for _ in range(repeats):
        runs += [meanwhile(model, clip), afterwards(model, clip)]
        done()
    if len({each.body for each in runs}) > 1:
        raise SystemExit("The two ways give other bytes. Nothing they are timed by means anything.")
    return hardware, runs


def summary(runs: list[Run]) -> list[dict[str, Any]]:
    """A row for each way."""
    rows = []
    for way in ("meanwhile", "afterwards"):
        some = [each for each in runs if each.way == way]
        first, whole = median(r.first for r in some), median(r.whole for r in some)
        rows.append(
            {
                "way": way,
                "first_s": first,
                "whole_s": whole,
                "first_share": first / whole,
                "peak_mib": max(max(r.resident) for r in some),
                "grown_mib": median(r.grown for r in some),
                "resident_mib": some[-1].resident,
            }
        )
    return rows


def main(
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "cpu",
    seconds: Annotated[int, typer.Option(min=3, max=15, help="Length of the film.")] = 15,
    width: Annotated[int, typer.Option(min=32, help="Pixels.")] = 64,
    height: Annotated[int, typer.Option(min=32, help="Pixels.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Films of each way, in turn.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time to the first chunk that plays, and memory, of a long film."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("pairs", total=repeats)
        hardware, runs = run(device, seconds, Size(width, height), repeats, lambda: progress.advance(bar))
    rows = summary(runs)
    if as_json:
        about = {"hardware": told(hardware), "seconds": seconds, "size": f"{width}x{height}"}
        typer.echo(json.dumps(about | {"rows": rows}, indent=2))
        return
    typer.echo(f"A film of {seconds} s at {width}x{height}, identical bytes ({hardware.name}, load {hardware.load})")
    for row in rows:
        typer.echo(
            f"{row['way']:11} first chunk plays after {row['first_s']:.2f} s of {row['whole_s']:.2f} s"
            f" ({row['first_share']:.0%}); memory at most {row['peak_mib']:.0f} MiB,"
            f" {row['grown_mib']:+.1f} MiB behind chunk {WARM}"
        )


if __name__ == "__main__":
    typer.run(main)
