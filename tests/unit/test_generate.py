"""The reference generator: waves equal slots, batches equal single films, windows cover every length, seeds decide all.

An untrained model serves: equality of arithmetic does not care what the weights have learnt.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.checkpoint import load
from model.clip import Clip, Film, Mode, Size
from model.generate import Generator, Pace, windows
from model.make import Maker
from model.packed import available
from model.parity import equal
from model.world.episodes import sample_episode
from model.world.render import render
from model.world.sound import sound

SQUARE = Size(64, 64)


@pytest.fixture(scope="module")
def model(untrained):
    return load(str(untrained))


def shown(scene, frames):
    return Film(frames=render(scene, frames), fps=Fraction(8), sound=sound(scene, frames), rate=8000)


def clip(mode: Mode, seconds: int = 1, size: Size = SQUARE, seed: int = 3) -> Clip:
    episode = sample_episode(np.random.default_rng(5), mode, size, kind="one")
    asked = Clip(prompt=episode.caption.text, mode=mode, size=size, seconds=seconds, seed=seed)
    if mode is Mode.I2V:
        return replace(asked, image=render(episode.scene, 1)[0])
    if mode is Mode.R2V:
        return replace(asked, references=episode.references)
    if mode is Mode.EDIT:
        return replace(asked, source=shown(episode.source, 8 * seconds), references=episode.references)
    if mode is Mode.EXTEND:
        return replace(asked, source=shown(episode.scene, 8), seconds=seconds + 1)
    return asked


def decoded(model, asked, pace):
    logits: dict[int, Tensor] = {}
    generator = Generator(model, pace=pace)

    def watch(slot: int, _: object, values: Tensor) -> None:
        logits[slot] = values.clone()

    generator.watch = watch
    film, _ = Maker(generator).make(asked)
    return film, logits, generator.steps


@pytest.mark.parametrize("mode", list(Mode))
def test_waves_and_slots_give_the_same_film_and_the_same_logits(model, mode):
    film, logits, steps = decoded(model, clip(mode), Pace.WAVES)
    other, other_logits, other_steps = decoded(model, clip(mode), Pace.SLOTS)

    assert np.array_equal(film.frames, other.frames)
    assert np.array_equal(film.sound, other.sound)
    apart = max(float((logits[s] - other_logits[s]).abs().max()) for s in logits)
    assert apart == 0.0 if available() else apart < 1e-4
    assert (other_steps, steps) == (160, 15 + 15 if mode is Mode.EXTEND else 22 + 15)


@pytest.mark.parametrize("size", [Size(80, 48), Size(48, 80)])
def test_waves_and_slots_agree_at_other_sizes(model, size):
    film, _, _ = decoded(model, clip(Mode.T2V, size=size), Pace.WAVES)
    other, _, _ = decoded(model, clip(Mode.T2V, size=size), Pace.SLOTS)

    assert np.array_equal(film.frames, other.frames)


def test_a_film_does_not_depend_on_its_neighbours_in_the_batch(model):
    maker = Maker(Generator(model))
    clips = [clip(Mode.T2V, seed=s) for s in (1, 2, 3)]
    clips[2] = replace(clips[2], prompt=clips[2].prompt * 9)  # a text that is padded to another length

    together = maker.make_many(clips)

    for film, asked in zip(together, clips, strict=True):
        assert np.array_equal(film.frames, maker.make(asked)[0].frames)


def test_the_seed_decides_the_film(model):
    maker = Maker(Generator(model))

    first, again, other = (maker.make(clip(Mode.T2V, seed=s))[0].frames for s in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_makes_every_frame_of_a_long_film(model, mode):
    asked = clip(mode, seconds=5)

    film, _ = Maker(Generator(model)).make(asked)

    assert film.frames.shape == (asked.seconds * 8, 64, 64, 3)
    assert film.sound.shape == (asked.seconds * 8000,)


def test_guidance_runs_and_one_means_none(model):
    plain, same, strong = (Maker(Generator(model, guidance=w)).make(clip(Mode.T2V))[0].frames for w in (None, 1.0, 3.0))

    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, strong)


def test_chunks_are_told_of_in_order_as_they_are_made(model):
    told = []

    Maker(Generator(model)).make(clip(Mode.T2V, seconds=4), lambda done, whole: told.append((done, whole)))

    assert told == [(n, 8) for n in range(1, 9)]


def test_an_extended_film_begins_with_the_film_that_was_given(model):
    asked = clip(Mode.EXTEND, seconds=3)

    film, ready = Maker(Generator(model)).make(asked)

    assert len(film.frames) == 32
    assert ready.order.known is not None
    assert len(ready.order.known.video) == 2


@given(st.sampled_from(list(Mode)), st.integers(1, 40), st.integers(1, 40))
def test_windows_go_on_from_what_is_known_without_a_gap(mode, chunks, known):
    known = min(known, chunks) if mode is Mode.EXTEND else 0

    made = list(windows(mode, chunks, known, 6, 2, 4))

    ends = [known, *(w.start + w.chunks for _, w in made)]
    assert all(w.start + w.given == before for (_, w), before in zip(made, ends, strict=False))
    assert all(a < b for a, b in pairwise(ends))
    assert ends[-1] == chunks
    assert all(w.chunks <= 6 for _, w in made)
    assert all(w.given >= min(2, known or 2) for _, w in made if w.start)


def test_a_resumed_film_has_the_codes_of_an_undisturbed_one(model):
    generator = Generator(model)
    order = Maker(generator).ready(clip(Mode.T2V, seconds=2)).order

    whole = generator.films([order])[0]
    resumed = generator.decode([order.prompt], order.chunks, [whole[:3]], [order.seed], 0)[0]

    assert equal(resumed, whole)
