"""The arithmetic of scores, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from model.detect.scores import bootstrap, interval, lips, pairs, psnr

SUNG = np.array([1, 1, 1, 0] * 3 + [0] * 4, np.float32)


def test_each_sound_answers_one_contact_nearest_first() -> None:
    assert pairs([0.0, 1.0], [0.03, 0.12, 1.3]) == pytest.approx([0.03])
    assert pairs([0.5], [0.625]) == pytest.approx([0.125])
    assert sorted(pairs([0.0, 0.125], [0.0, 0.1])) == pytest.approx([-0.025, 0.0])


@pytest.mark.parametrize("lag", [-2, -1, 0, 1, 2])
def test_lips_tell_how_late_the_sound_is(lag: int) -> None:
    seen = lips(SUNG, 0.3 * np.roll(SUNG, lag))

    assert (seen.lag, seen.in_sync) == (lag, abs(lag) <= 1)


def test_lips_without_a_voice_are_not_in_sync() -> None:
    assert not lips(SUNG, np.zeros(16, np.float32)).in_sync
    assert not lips(np.zeros(16, np.float32), SUNG).in_sync
    assert not lips(SUNG, 1 - SUNG).in_sync


def test_psnr_counts_only_what_the_mask_shows() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    spot = black.copy()
    spot[:, 0, 0] = 255
    outside = np.ones((4, 4), bool)
    outside[0, 0] = False

    assert psnr(black, black) == 60
    assert psnr(black, spot) == pytest.approx(10 * np.log10(16))
    assert psnr(black, spot, outside) == 60


def test_wilsons_interval_is_the_published_one() -> None:
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert interval(0, 0) == (0, 1)
    assert interval(200, 200)[1] == 1


def test_the_bootstrap_holds_the_mean_and_repeats_itself() -> None:
    values = np.random.default_rng(0).normal(3, 1, 200)

    low, high = bootstrap(values)

    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 200**0.5, rel=0.2)
    assert (low, high) == bootstrap(values)
    assert bootstrap(values, np.median, seed=1) != (low, high)
