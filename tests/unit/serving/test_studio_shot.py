"""A film on its way through a studio: chunk by chunk, and the same whether it was taken up again or not."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from model.checkpoint import load
from model.clip import Clip, Film, Mode, Size
from model.generate import Codes, Generator
from model.make import Maker
from serving.studio.pictures import Pictures
from serving.studio.shot import Shot, sounded
from serving.wish import Audio

CLIP = Clip(prompt="a ball", mode=Mode.T2V, size=Size(96, 64), seconds=2, seed=1)
CHUNKS = 4


class Marking:
    """Marks nothing; keeps what it was given."""

    def __init__(self, form: Any, seen: Any) -> None:
        self.seen, self.frames = seen, list[np.ndarray]()

    def add(self, frames: np.ndarray) -> None:
        self.frames.append(frames)
        self.seen(frames)

    def deliver(self, sound: np.ndarray) -> Any:
        return np.concatenate(self.frames), sound


def ordered(audio: Audio = Audio.MADE) -> Any:
    return SimpleNamespace(wish=SimpleNamespace(audio=audio, mode=Mode.T2V))


@pytest.fixture(scope="module")
def model(untrained):
    return load(str(untrained))


@pytest.fixture(scope="module")
def codes(model):
    draw, c = torch.Generator().manual_seed(4), model.config
    video = torch.randint(c.video.codes, (CHUNKS, 8, 8), generator=draw)
    return Codes(video, torch.randint(c.audio.codes, (CHUNKS, c.audio_codes), generator=draw))


def delivered(model, codes, *starts: int) -> tuple[np.ndarray, np.ndarray, dict[str, bytes]]:
    shot = Shot(model, Maker(Generator(model)).ready(CLIP), ordered(), Marking)
    for start, end in zip(starts, [*starts[1:], CHUNKS], strict=True):
        shot.add(codes[start:end])
    frames, sound = cast(Any, shot.deliver())
    return frames, sound, shot.pictures.files()


def test_a_film_that_was_killed_and_resumed_is_the_undisturbed_one(model, codes):
    calm, calm_sound, calm_pictures = delivered(model, codes, 0, 1, 2, 3)

    again, sound, pictures = delivered(model, codes, 0, 2, 3)  # two chunks come from checkpoints, at once

    assert calm.shape == (16, 64, 96, 3)
    assert np.array_equal(again, calm)
    assert np.array_equal(sound, calm_sound)
    assert pictures == calm_pictures


def test_its_frames_are_those_that_a_maker_finishes(model, codes):
    from model.render import Renderer

    maker, renderer = Maker(Generator(model)), Renderer(model)
    for number in range(CHUNKS):
        renderer.add(codes[number : number + 1])
    film = maker.finish(maker.ready(CLIP), *renderer.all())

    frames, sound, _ = delivered(model, codes, 0)

    assert np.array_equal(frames, film.frames)
    assert np.array_equal(sound, film.sound)


def test_a_film_without_sound_is_silent():
    assert not sounded(np.ones(8, np.float32), SimpleNamespace(), ordered(Audio.NONE)).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("frames", [1, 3, 16, 121])
def test_a_sheet_has_sixteen_frames_at_even_distances_of_any_film(frames):
    grey = np.arange(frames, dtype=np.uint8).repeat(64 * 64 * 3).reshape(frames, 64, 64, 3)
    film = Film(frames=grey, fps=Fraction(8), sound=np.zeros(0, np.float32), rate=8_000)
    whole, parts = Pictures(film.size, frames), Pictures(film.size, frames)

    whole.add(grey)
    for number in range(frames):
        parts.add(grey[number : number + 1])

    assert whole.files() == parts.files()
    assert len(whole._tiles) == 16
