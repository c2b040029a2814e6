"""How a pattern is found: in a linear picture of what the reader sees, which is exact where it was taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.clip import Size
from model.train.codecs import any_scene, clouds
from model.world.render import render
from serving.media.marks.canvas import CANVASES, contrast, on_canvas, seen, waves_of
from serving.media.marks.fitting import _linear, fit_pattern, refit_pattern
from serving.media.marks.payload import chips_of
from serving.media.marks.rehearsal import worn

KEY = b"k" * 32
CHIPS = chips_of(KEY, "0123456789ab")
WAVES = waves_of(CANVASES[0], KEY)


def looks(seed, draw=lambda rng: render(any_scene(rng, Size(64, 64)), 8)):
    return seen(draw(np.random.default_rng(seed)), 64, 3)


@settings(max_examples=10)
@given(seed=st.integers(0, 1_000), size=st.floats(0, 8))
def test_the_linear_picture_is_exact_where_it_was_taken(seed, size):
    frames, pattern = looks(seed), WAVES.pattern(CHIPS) * np.float32(size / 8)

    there = _linear(frames, pattern).contrast(pattern)

    assert there == pytest.approx(np.mean([contrast(frame + pattern) for frame in frames], 0), abs=2e-4)


def test_frames_with_the_pattern_read_as_wanted():
    frames = looks(3)

    read = CHIPS * WAVES.read(frames + fit_pattern(WAVES, frames, CHIPS, 1.0).pattern).mean(0)

    assert read.mean() > 0.8 * WAVES.canvas.margin
    assert read.min() > 0.4 * WAVES.canvas.margin


def test_another_strength_starts_from_a_fit_and_comes_to_nearly_the_same():
    frames = looks(4, lambda rng: clouds(rng, Size(64, 64), 8))

    anew = fit_pattern(WAVES, frames, CHIPS, 2.0).pattern
    again = refit_pattern(WAVES, frames, CHIPS, fit_pattern(WAVES, frames, CHIPS, 1.2), 2.0).pattern

    assert np.corrcoef(anew.ravel(), again.ravel())[0, 1] > 0.9
    assert again.std() == pytest.approx(anew.std(), rel=0.25)


def test_a_stronger_mark_keeps_more_in_rehearsal():
    frames = looks(5)

    kept = [likeness_after(frames[0] + fit_pattern(WAVES, frames, CHIPS, each).pattern) for each in (0.7, 1.4, 2.8)]

    assert kept == sorted(kept)
    assert kept[2] > kept[0] + 0.1


def likeness_after(grey):
    read = WAVES.chips(contrast(on_canvas(Image.fromarray(worn([grey])[0]), 64)))
    return float(read @ CHIPS) / float(np.linalg.norm(read) * np.linalg.norm(CHIPS))
