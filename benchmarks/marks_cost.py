"""What marking costs, beside rendering the same film: decoding its codes, encoding picture and sound, and muxing.

All is time of the processor, so that other work on the machine does not count; medians of turns in which each part
is done once, one after the other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.marks_films import RATE, music
from model.clip import Film, Size
from model.media import encode_film, fit
from model.train.codecs import any_scene
from model.world.render import render
from serving.media.marks.c2pa import Residency, sign
from serving.media.marks.certificate import Credential, development
from serving.media.marks.payload import Chips, chips_of, pid_of
from serving.media.marks.watermark_sound import mark_sound
from serving.media.marks.watermark_video import mark_frames

if TYPE_CHECKING:
    from model.make import Maker

__all__ = ["RESIDENCY", "Cost", "costs", "signer"]

KEY: Final = b"benchmark"
RESIDENCY: Final = Residency(origin="example/equerry/benchmark", request="0" * 64, cell="benchmark", jurisdiction="EU")
OWN: Final = Size(64, 64)
FILMS: Final = (("64x64, 2 s", OWN, 2), ("64x64, 15 s", OWN, 15), ("832x480, 2 s", Size(832, 480), 2))
SEEDS: Final = 3  # films of each kind, which need marks of different strength
TURNS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of one processor."""

    film: str
    picture: float
    sound: float
    sign: float  # C2PA, its hashes and writing it into the file
    decode: float  # the codecs, and scaling where a client asked for another size
    encode: float  # H.264, AAC and MP4

    @property
    def share(self) -> float:
        """Of marking in rendering."""
        return (self.picture + self.sound + self.sign) / (self.decode + self.encode)


def costs(model: str) -> list[Cost]:
    """Of films of the toy world through the codecs of a model."""
    from model.checkpoint import load
    from model.cli import find
    from model.generate import Generator
    from model.make import Maker

    maker = Maker(Generator(load(str(find(model)))))
    with TemporaryDirectory() as folder:
        credential = signer(Path(folder))
        return [_cost(name, [_Film(maker, size, seconds, seed) for seed in range(SEEDS)], credential)
                for name, size, seconds in FILMS]  # fmt: skip


def signer(folder: Path) -> Credential:
    """Who signs here."""
    return development(folder, "benchmark", datetime.now(UTC))


class _Film:
    """A film as codes, and what has to be done to deliver it."""

    def __init__(self, maker: Maker, size: Size, seconds: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        frames = render(any_scene(rng, OWN), 8 * seconds)
        self._model, self._size = maker.model, size
        self._codes = maker.codes(Film(frames=frames, fps=Fraction(8), sound=music(rng, seconds), rate=RATE))

    def decoded(self) -> Film:
        """Chunk by chunk, as a cell does it, and scaled."""
        import torch

        from model.generate import Codes
        from model.make import Renderer

        renderer = Renderer(self._model)
        with torch.inference_mode():
            for chunk in range(len(self._codes.video)):
                part = slice(chunk, chunk + 1)
                renderer.add(Codes(self._codes.video[part], self._codes.audio[part]))
        frames, sound = renderer.all()
        return Film(
            frames=frames if self._size == OWN else fit(frames, self._size), fps=Fraction(8), sound=sound, rate=RATE
        )


def _cost(name: str, films: list[_Film], credential: Credential) -> Cost:
    chips = chips_of(KEY, pid_of(KEY, name))
    made = films[0].decoded()
    mark_frames(made.frames[:1], made.fps, chips, KEY)  # draws the directions, once per process
    mark_sound(made.sound, made.rate, chips, KEY)
    took: dict[str, list[float]] = {part: [] for part in ("decode", "picture", "sound", "encode", "sign")}
    for _ in range(TURNS):
        for each in films:
            _deliver(partial(_timed, took), each, chips, credential)
    return Cost(film=name, **{part: statistics.median(times) for part, times in took.items()})


def _deliver(timed: Callable[..., Any], each: _Film, chips: Chips, credential: Credential) -> None:
    film = timed("decode", each.decoded)
    frames = timed("picture", mark_frames, film.frames, film.fps, chips, KEY)
    sound = timed("sound", mark_sound, film.sound, film.rate, chips, KEY)
    body = timed("encode", encode_film, replace(film, frames=frames, sound=sound))
    timed("sign", partial(sign, residency=RESIDENCY, pid="0" * 12), body, credential)


def _timed(took: dict[str, list[float]], part: str, call: Callable[..., Any], *given: Any) -> Any:
    begun = time.process_time()
    result = call(*given)
    took[part].append(1000 * (time.process_time() - begun))
    return result
