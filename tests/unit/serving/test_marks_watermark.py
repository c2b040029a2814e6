"""Watermarks of picture and sound: what they outlive, and what they leave alone."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.clip import Film, Size
from model.media import fit, resample
from model.train.codecs import any_scene, clouds
from model.world.render import render
from serving.media.marks import watermark_sound
from serving.media.marks.detect import detect
from serving.media.marks.payload import chips_of
from serving.media.marks.watermark_sound import mark_sound
from serving.media.marks.watermark_video import _add, _grown, mark_frames

KEY, OTHER = b"k" * 32, b"o" * 32
PID = "0123456789ab"
CHIPS = chips_of(KEY, PID)
FPS = Fraction(8)


SMALL = Size(64, 64)


def toy(seed, size=SMALL, frames=16):
    return render(any_scene(np.random.default_rng(seed), size), frames)


def encoded(frames, fps, crf):
    """Through H.264 and back, at a constant quality that others choose."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": crf, "threads": "1"})
        stream.height, stream.width = frames.shape[1:3]
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))
    out.seek(0)
    with av.open(out, "r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def silent(frames, fps=FPS):
    return Film(frames=frames, fps=fps, sound=np.zeros(int(len(frames) / fps * 8_000), np.float32), rate=8_000)


def unseen(sound, rate=8_000):
    return Film(frames=np.zeros((8, 64, 64, 3), np.uint8), fps=FPS, sound=sound, rate=rate)


def melody(seconds=3, rate=8_000, seed=0):
    at = np.arange(seconds * rate) / rate
    tones = sum(np.sin(6.2832 * pitch * at) * np.exp(-3 * (at % 0.5)) for pitch in (262, 330, 523))
    noise = np.random.default_rng(seed).normal(0, 0.02, len(at))
    return (0.2 * tones + noise).astype(np.float32)


@pytest.mark.parametrize("size", [Size(64, 64), Size(80, 48), Size(48, 80), Size(320, 240), Size(640, 360)])
def test_a_picture_of_any_size_carries_its_mark(size):
    frames = fit(toy(3), size) if size.width > 100 else toy(3, size)
    marked = mark_frames(frames, FPS, CHIPS, KEY)

    found = detect(silent(marked), KEY)

    assert found is not None
    assert (found.pid, found.sound) == (PID, 0)
    assert (marked.shape, marked.dtype) == (frames.shape, np.dtype(np.uint8))


def test_what_the_first_writer_marked_is_still_read():
    kept = np.asarray(Image.open(Path(__file__).parent / "marked_by_the_first_writer.png"))

    found = detect(silent(kept[None]), KEY)

    assert found is not None
    assert found.pid == PID


def test_what_an_earlier_writer_marked_in_sound_is_still_read():
    with wave.open(str(Path(__file__).parent / "marked_by_an_earlier_writer.wav")) as file:
        kept = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768

    found = detect(unseen(kept), KEY)

    assert found is not None
    assert found.pid == PID


@pytest.mark.parametrize("seed", range(4))
def test_a_small_toy_outlives_the_hardest_encoding(seed):
    marked = mark_frames(toy(seed), FPS, CHIPS, KEY)

    found = detect(silent(encoded(marked, FPS, "35")), KEY)

    assert found is not None
    assert found.pid == PID


def test_clouds_outlive_half_the_size():
    marked = mark_frames(clouds(np.random.default_rng(0), Size(320, 240), 16), FPS, CHIPS, KEY)

    found = detect(silent(encoded(fit(marked, Size(160, 120)), FPS, "28")), KEY)

    assert found is not None
    assert found.pid == PID


@pytest.mark.parametrize("kept", [slice(8, None), slice(5, 13), slice(None, None, 3), slice(None, None, -1)])
def test_any_second_of_frames_in_any_order_keeps_the_mark(kept):
    marked = mark_frames(toy(4), FPS, CHIPS, KEY)

    found = detect(silent(marked[kept]), KEY)

    assert found is not None
    assert found.pid == PID


def test_a_single_black_frame_is_marked_too():
    found = detect(silent(mark_frames(np.zeros((1, 64, 64, 3), np.uint8), FPS, CHIPS, KEY)), KEY)

    assert found is not None
    assert found.pid == PID


def test_a_large_picture_changes_by_little():
    frames = fit(toy(5), Size(640, 480))

    change = mark_frames(frames, FPS, CHIPS, KEY).astype(int) - frames

    assert 10 * np.log10(255**2 / np.mean(change**2)) > 40  # decibels


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_marked_is_not_found(seed):
    assert detect(silent(toy(seed)), KEY) is None
    assert detect(unseen(melody(seed=seed)), KEY) is None


def test_another_cells_key_finds_nothing():
    marked = Film(
        frames=mark_frames(toy(2), FPS, CHIPS, KEY), fps=FPS, sound=mark_sound(melody(2), 8_000, CHIPS, KEY), rate=8_000
    )

    assert detect(marked, KEY) is not None
    assert detect(marked, OTHER) is None


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100])
def test_sound_of_any_rate_carries_its_mark(rate):
    marked = mark_sound(melody(rate=rate), rate, CHIPS, KEY)

    found = detect(unseen(resample(marked, rate, 8_000)), KEY)

    assert found is not None
    assert (found.pid, found.picture) == (PID, 0)
    assert (marked.shape, marked.dtype) == ((3 * rate,), np.dtype(np.float32))


@pytest.mark.parametrize("start", [1, 777, 7_345, 8_000])
def test_sound_that_begins_anywhere_keeps_the_mark(start):
    marked = mark_sound(melody(), 8_000, CHIPS, KEY)

    found = detect(unseen(marked[start:]), KEY)

    assert found is not None
    assert found.pid == PID


def test_silence_stays_silent():
    sound = np.zeros(16_000, np.float32)

    assert np.array_equal(mark_sound(sound, 8_000, CHIPS, KEY), sound)


def test_the_mark_is_far_fainter_than_the_sound():
    sound = melody()
    noise = mark_sound(sound, 8_000, CHIPS, KEY) - sound

    assert 10 * np.log10(np.mean(sound**2) / np.mean(noise**2)) > 14  # decibels


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 1_000])
def test_sound_too_short_for_a_mark_is_no_mistake(samples):
    assert len(mark_sound(melody()[:samples], 8_000, CHIPS, KEY)) == samples


@settings(max_examples=30)
@given(seed=st.integers(0, 1_000), height=st.integers(2, 70), width=st.integers(2, 70), room=st.integers(0, 30))
def test_every_colour_moves_by_the_pattern_and_none_over_black_or_white(seed, height, width, room):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (3, height, width, 3)).astype(np.uint8)
    pattern = rng.normal(0, room / 3, (64, 64)).astype(np.float32)
    added = np.empty_like(frames)

    _add(frames, pattern, room, added)

    moved = np.rint(_grown(pattern, Size(width, height))).astype(int)[..., None]
    least, most = np.maximum(-moved, room // 2), 255 - np.maximum(moved, room // 2)
    assert np.array_equal(added, np.minimum(np.maximum(frames, least), most) + moved)


@settings(max_examples=30)
@given(seed=st.integers(0, 1_000), length=st.integers(1_000, 20_000))
def test_sound_within_the_band_is_what_its_tiles_make(seed, length):
    rng = np.random.default_rng(seed)
    at = np.arange(length) / watermark_sound.RATE
    pitches, phases = rng.uniform(*watermark_sound.BAND, 5), rng.uniform(0, 6.3, 5)
    sound = np.sin(2 * np.pi * pitches * at[:, None] + phases).sum(1).astype(np.float32)

    again = watermark_sound._joined(watermark_sound._tiles(sound), length)

    assert np.abs(again - sound)[256:-256].max() < 0.05  # the edges of a sound have every tone


def test_loudness_is_the_root_mean_square_of_what_is_heard_there():
    noise = np.random.default_rng(0).normal(0, 0.2, 80_000).astype(np.float32)

    loudness = watermark_sound._loudness(watermark_sound._tiles(noise))[2:-2]

    assert float(np.mean(loudness**2)) ** 0.5 == pytest.approx(0.2 + watermark_sound.HISS, rel=0.03)
