"""The rehearsal: what a coarse JPEG of half the size leaves, without making one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from model.clip import Size
from model.train.codecs import any_scene, clouds
from model.world.render import render
from serving.media.marks.canvas import grey_of
from serving.media.marks.rehearsal import STEP, worn


def jpeg(grey):
    height, width = grey.shape
    small = Image.fromarray(grey.astype(np.uint8)).resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "jpeg", qtables=[[STEP] * 64])
    return np.asarray(Image.open(out, formats=("JPEG",)), np.float32)


@pytest.mark.parametrize("size", [Size(64, 64), Size(80, 48), Size(32, 32), Size(130, 98)])
@pytest.mark.parametrize("draw", [clouds, lambda rng, size, count: render(any_scene(rng, size), count)])
def test_it_leaves_what_a_jpeg_leaves(size, draw):
    greys = [np.asarray(grey_of(frame), np.float32) for frame in draw(np.random.default_rng(3), size, 2)]

    left = worn(greys)

    assert left.shape == (2, size.height // 2, size.width // 2)
    for ours, grey in zip(left, greys, strict=True):
        theirs = jpeg(grey)
        assert np.abs(ours - theirs).mean() < 1  # its own arithmetic is of whole numbers
        assert np.corrcoef(ours.ravel() - grey.mean(), theirs.ravel() - grey.mean())[0, 1] > 0.99


def test_a_frame_is_worn_alone():
    one, other = (np.random.default_rng(seed).integers(0, 256, (48, 80)).astype(np.float32) for seed in range(2))

    assert np.array_equal(worn([one, other])[1], worn([other])[0])


def test_a_frame_without_shape_stays_as_it_is():
    assert np.array_equal(worn([np.full((64, 64), 128.0, np.float32)])[0], np.full((32, 32), 128.0))
