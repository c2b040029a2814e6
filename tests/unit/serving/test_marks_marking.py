"""A film that is marked while it is made leaves as the one that is marked when it is whole, in every byte."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.clip import Size
from model.train.codecs import any_scene
from model.world.render import render
from serving.media.marks.payload import chips_of
from serving.media.marks.watermark_video import FrameMarks, mark_frames

KEY = b"k" * 32
CHIPS = chips_of(KEY, "0" * 12)
FPS = Fraction(8)
SIZES = [Size(64, 64), Size(256, 208)]  # on the small canvas, and on the large one


@pytest.fixture(scope="module", params=SIZES, ids=str)
def shown(request):
    small = render(any_scene(np.random.default_rng(5), Size(64, 64)), 20)
    rows, columns = (np.arange(side) * 64 // side for side in (request.param.height, request.param.width))
    return small[:, rows][:, :, columns]


@pytest.fixture(scope="module")
def whole(shown):
    return mark_frames(shown, FPS, CHIPS, KEY)


@settings(max_examples=6)
@given(cuts=st.lists(st.integers(1, 19), unique=True, max_size=6))
def test_frames_are_marked_alike_however_they_come(shown, whole, cuts):
    size = Size(shown.shape[2], shown.shape[1])
    marks = FrameMarks(size, FPS, CHIPS, KEY)

    parts = [marks.add(shown[start:end]) for start, end in pairwise([0, *sorted(cuts), len(shown)])]

    assert np.array_equal(np.concatenate([*parts, marks.end()]), whole)


def test_a_film_that_is_not_small_is_let_go_second_by_second():
    marks = FrameMarks(SIZES[1], FPS, CHIPS, KEY)
    frames = np.zeros((8, SIZES[1].height, SIZES[1].width, 3), np.uint8)

    assert [len(marks.add(frames[:5])), len(marks.add(frames[:5])), len(marks.add(frames[:6])), len(marks.end())] == [
        0, 8, 8, 0,
    ]  # fmt: skip
