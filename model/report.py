"""What a person is told about a film that was made: where it is, how it came about, and what happens in it when.

The time line is read from the finished film by the detectors of the toy world, never from the prompt.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.clip import Clip, Film, Frames, Mode, Size, Sound
from model.detect.sound import PRESENT, envelope, notes, onsets, silent, strengths
from model.generate import Codes, Generator, OnChunk, Order
from model.make import Maker, Ready
from model.make import OnChunk as OnProgress
from model.media import Encoder, Event, contact_sheet, fit
from model.media._files import write_whole
from model.world.scene import BEAT, FPS

RAMP: Final = " ▁▂▃▄▅▆▇█"
PLAIN_RAMP: Final = " .:-=+*#@"  # for a terminal that has ASCII alone
STILL: Final = 1.0  # mean difference of two frames, of 255, below which nothing moves
PROOF: Final = 320  # pixels of the longer side of the frames that are kept to be shown
AUDIBLE: Final = 0.02  # root mean square of a frame's sound, full scale 1, that fills the bar no more than it deserves
START: Final = 0.02  # seconds within which a sound begins with the film
MOST_EVENTS: Final = 4  # that a line of half a second tells
WAYS: Final = {
    Mode.T2V: "text to video",
    Mode.I2V: "first image to video",
    Mode.R2V: "references to video",
    Mode.EDIT: "edit of a film",
    Mode.EXTEND: "extension of a film",
}


class Timed(Generator):
    """A generator that tells decoding from handing out, which takes time where rendering does not keep up."""

    drawing = 0.0  # seconds
    handing = 0.0  # seconds
    codes: Sequence[Codes] = ()  # of the films decoded last

    def films(self, orders: Sequence[Order], on_chunk: OnChunk | None = None) -> list[Codes]:
        began, before = perf_counter(), self.handing

        def hear(chunk: int, codes: Codes) -> None:
            start = perf_counter()
            if on_chunk is not None:
                on_chunk(chunk, codes)
            self.handing += perf_counter() - start

        made = super().films(orders, hear)
        self.drawing += perf_counter() - began - (self.handing - before)
        self.codes = made
        return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A film on disk, and how it came about."""

    film: Film  # its proof: the whole sound, and frames of at most `PROOF` pixels a side
    size: Size  # of the film on disk
    clip: Clip
    ready: Ready
    path: Path
    sheet: Path | None
    sha256: str  # of the file
    bytes: int  # of the file
    steps: int  # forward passes, prompts not counted
    pace: str
    guidance: float | None
    model: str
    digest: str  # of the model's files
    times: dict[str, float]  # seconds by what they were spent on; "total" holds them all
    meanwhile: dict[str, float]  # seconds of work beside decoding, on another core
    first_chunk: float  # seconds until the first chunk was rendered and compressed
    events: tuple[Event, ...]


def shoot(
    generator: Timed, clip: Clip, path: Path, sheet: Path | None = None, on_chunk: OnProgress | None = None
) -> Made:
    """Makes one film and writes it, and its contact sheet if there is a place for one."""
    began, steps, decoding = perf_counter(), generator.steps, generator.drawing
    config, take = generator.model.config, _Take(clip, generator)
    made = Maker(generator).develop(clip, take.add, on_chunk)
    drawn = perf_counter()
    body = take.encoder.finish(made.sound)
    write_whole(path, body)
    written = perf_counter()
    film = take.proof(made.sound)
    heard = events(film)
    if sheet is not None:
        contact_sheet(film, clip.prompt, sheet, heard)
    decoding = generator.drawing - decoding
    return Made(
        film=film,
        size=clip.size,
        clip=clip,
        ready=made.ready,
        path=path,
        sheet=sheet,
        sha256=hashlib.sha256(body).hexdigest(),
        bytes=len(body),
        steps=generator.steps - steps,
        pace=generator.pace.value,
        guidance=generator.guidance,
        model=config.name,
        digest=generator.model.digest,
        times={
            "decoding": decoding,
            "finishing": written - drawn,
            "other": perf_counter() - written + (drawn - began) - decoding,
            "total": perf_counter() - began,
        },
        meanwhile={"rendering": made.busy - take.seconds, "encoding": take.seconds},
        first_chunk=take.first - began,
        events=tuple(heard),
    )


class _Take:
    """What becomes of a film's frames while it is made: compressed, and a small proof of each kept."""

    def __init__(self, clip: Clip, generator: Generator) -> None:
        config = generator.model.config
        self.encoder = Encoder(clip.size, Fraction(config.video.fps), config.audio.rate)
        self.small = _within(clip.size, PROOF)
        self.frames: list[Frames] = []
        self.seconds = self.first = 0.0

    def add(self, frames: Frames) -> None:
        began = perf_counter()
        self.encoder.add(frames)
        self.frames.append(frames if self.small == self.encoder.size else fit(frames, self.small))
        self.first = self.first or perf_counter()
        self.seconds += perf_counter() - began

    def proof(self, sound: Sound) -> Film:
        return Film(frames=np.concatenate(self.frames), fps=self.encoder.fps, sound=sound, rate=self.encoder.rate)


def _within(size: Size, side: int) -> Size:
    """The same shape, at most so large a side."""
    scale = min(1.0, side / max(size.width, size.height))
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))


def events(film: Film) -> list[Event]:
    """What begins to sound in a film, and when: knocks by their material, notes by their name."""
    if silent(film.sound, film.rate):
        return []
    begun = [at if at > START else 0.0 for at in onsets(film.sound, film.rate)]
    return [Event(at, _sound_at(film, at)) for at in begun]


def _sound_at(film: Film, at: float) -> str:
    heard = strengths(film.sound, film.rate, at)
    knocks = [name for name, share in heard.items() if share > PRESENT]
    if knocks:
        return f"{' and '.join(knocks)} knock"
    start, beat = int(at * film.rate), BEAT * film.rate // FPS
    whole = np.zeros(beat, np.float32)
    piece = film.sound[start : start + beat]
    whole[: len(piece)] = piece
    (sung,) = notes(whole, film.rate)
    return f"note {sung}" if sung else "something"


def activity(film: Film) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much the picture changes and how loud it is in each frame's time, both 0..1."""
    step = max(1, film.frames.shape[1] // 64)  # a large picture tells no more than a small one
    small = film.frames[:, ::step, ::step].astype(np.float32)
    moved = np.abs(np.diff(small, axis=0, prepend=small[:1])).mean((1, 2, 3))
    loud = envelope(film.sound, film.rate, int(film.fps))
    return moved / max(STILL, float(moved.max(initial=0))), loud / max(AUDIBLE, float(loud.max(initial=0)))


def time_line(film: Film, heard: Sequence[Event], ramp: str = RAMP) -> Iterator[str]:
    """One line for each half second: motion, loudness, and what begins to sound."""
    moved, loud = activity(film)
    fps = int(film.fps)
    each = max(1, fps // 2)
    for first in range(0, len(film.frames), each):
        start, end = first / fps, (first + each) / fps
        now = [f"{e.label} at {e.seconds:.2f} s" for e in heard if start <= e.seconds < end]
        now[MOST_EVENTS:] = [f"{len(now) - MOST_EVENTS} more"] if len(now) > MOST_EVENTS else []
        picture, sound = (_bar(values[first : first + each], ramp).ljust(each) for values in (moved, loud))
        yield f"{start:5.1f} s  picture |{picture}|  sound |{sound}|  {', '.join(now)}".rstrip()


def _bar(values: NDArray[np.float32], ramp: str) -> str:
    return "".join(ramp[round(float(v) * (len(ramp) - 1))] for v in np.clip(values, 0, 1))


def facts(made: Made) -> Iterator[str]:
    """What was made, how, and how long it took; one fact a line."""
    film, times, size = made.film, made.times, made.size
    own = made.ready.order.prompt.size
    scaled = "" if size == own else f" (made at {own} and scaled)"
    length = f"{film.seconds:g} s at {int(film.fps)} frames a second"
    yield f"film    {made.path}: {size}{scaled}, {length}, {made.bytes:,} bytes"
    if made.sheet is not None:
        yield f"sheet   {made.sheet}"
    yield f"prompt  {shortened(made.clip.prompt)}"
    guided = f", guidance {made.guidance:g}" if made.guidance is not None else ""
    yield f"made    {WAYS[made.clip.mode]}, seed {made.clip.seed}, {made.steps} steps by {made.pace}{guided}"
    yield f"model   {made.model} {made.digest[:12]}"
    spent = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items() if name != "total")
    beside = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in made.meanwhile.items())
    yield f"time    {times['total']:.2f} s: {spent}; beside decoding: {beside}"
    yield f"first   chunk finished after {made.first_chunk:.2f} s"
    yield from (f"note    {remark}" for remark in made.ready.remarks)


def as_json(made: Made) -> dict[str, Any]:
    """The same for a script."""
    film = made.film
    return {
        "file": str(made.path),
        "sheet": None if made.sheet is None else str(made.sheet),
        "bytes": made.bytes,
        "sha256": made.sha256,
        "mode": made.clip.mode.value,
        "size": str(made.size),
        "native_size": str(made.ready.order.prompt.size),
        "fps": int(film.fps),
        "frames": len(film.frames),
        "seconds": film.seconds,
        "sample_rate": film.rate,
        "seed": made.clip.seed,
        "model": {"name": made.model, "digest": made.digest},
        "pace": made.pace,
        "steps": made.steps,
        "guidance": made.guidance,
        "remarks": list(made.ready.remarks),
        "times": {name: round(seconds, 4) for name, seconds in made.times.items()},
        "meanwhile": {name: round(seconds, 4) for name, seconds in made.meanwhile.items()},
        "first_chunk": round(made.first_chunk, 4),
        "events": [{"seconds": round(e.seconds, 3), "label": e.label} for e in made.events],
    }


def shortened(text: str, most: int = 100) -> str:
    """A text on one line of at most `most` letters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def printable(text: str) -> str:
    """A line without what could steer a terminal, and in letters that standard output can write."""
    known = sys.stdout.encoding or "utf-8"
    safe = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return safe.encode(known, "replace").decode(known)


def say(*lines: str) -> None:
    """Prints lines, whatever is in them."""
    print(*map(printable, lines), sep="\n", flush=True)


def ramp() -> str:
    """The bars that standard output can write."""
    try:
        RAMP.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return PLAIN_RAMP
    return RAMP


@contextmanager
def told(what: str, each: str = "chunk") -> Iterator[Callable[[int, int], None]]:
    """Tells on standard error how far something is: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        lead = f"{what}: " if what else ""
        yield lambda done, whole: print(f"{lead}{each} {done} of {whole}", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(each), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what or "making", total=None)
        yield lambda done, whole: bar.update(
            task, completed=done, total=whole, description=what or "making" if done < whole else "writing"
        )
