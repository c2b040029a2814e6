"""Codecs: every code is reachable, time runs forwards only, and a stream equals the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.codec.audio import AudioCodec
from model.codec.fsq import FSQ
from model.codec.video import VideoCodec
from model.config import PONY


@pytest.fixture(scope="module")
def video() -> VideoCodec:
    torch.manual_seed(1)
    return VideoCodec(PONY.video).eval()


@pytest.fixture(scope="module")
def audio() -> AudioCodec:
    torch.manual_seed(1)
    return AudioCodec(PONY.audio).eval()


@pytest.mark.parametrize("levels", [PONY.video.levels, PONY.audio.levels, (3, 2)])
def test_every_code_decodes_to_a_point_that_encodes_to_it(levels):
    fsq = FSQ(levels)
    codes = torch.arange(fsq.codes)

    points = fsq.decode(codes)

    assert torch.equal(fsq.encode(torch.atanh(points.clamp(-0.9999, 0.9999))), codes)


def test_gradients_pass_through_rounding():
    values = torch.zeros(4, 5, requires_grad=True)

    FSQ(PONY.video.levels)(values).sum().backward()

    assert values.grad is not None
    assert bool(torch.all(values.grad > 0))


@settings(max_examples=15)
@given(st.integers(1, 4), st.sampled_from([(64, 64), (48, 80), (80, 48)]), st.integers(0, 10))
def test_patches_and_pixels_are_inverse(chunks, size, seed):
    codec = VideoCodec(PONY.video)
    pixels = torch.randint(0, 256, (1, 4 * chunks, *size, 3), generator=torch.Generator().manual_seed(seed))

    assert torch.allclose(codec.pixels(codec.patches(pixels)), pixels.float(), atol=1e-3)


def test_a_film_decoded_chunk_by_chunk_equals_the_film_decoded_whole(video):
    codes = torch.randint(0, PONY.video.codes, (1, 6, 8, 8))

    whole = video.decode(codes)
    stream = [video.decode(codes[:, c : c + 1], codes[:, c - 1] if c else None) for c in range(6)]

    assert torch.equal(torch.cat(stream, 1), whole)


def test_a_chunk_of_picture_is_known_before_the_next_one(video):
    codes = torch.randint(0, PONY.video.codes, (1, 4, 8, 8))
    other = codes.clone()
    other[:, 3] = (other[:, 3] + 1) % PONY.video.codes

    assert torch.equal(video.decode(codes)[:, :12], video.decode(other)[:, :12])
    assert not torch.equal(video.decode(codes)[:, 12:], video.decode(other)[:, 12:])


@pytest.mark.parametrize("piece", [1, 3, 16])
def test_sound_decoded_in_pieces_equals_sound_decoded_whole(audio, piece):
    codes = torch.randint(0, PONY.audio.codes, (1, 48))

    whole, _ = audio.decode(codes)
    state, parts = None, []
    for start in range(0, 48, piece):
        part, state = audio.decode(codes[:, start : start + piece], state)
        parts.append(part)

    assert torch.cat(parts, 1) == pytest.approx(whole, abs=1e-6)


def test_sound_codes_do_not_depend_on_what_comes_later(audio):
    wave = torch.rand(1, 8000) - 0.5
    other = wave.clone()
    other[:, 4000:] = 0

    assert torch.equal(audio.encode(wave)[:, :16], audio.encode(other)[:, :16])


def test_a_still_picture_is_a_film_of_one_picture(video):
    picture = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)

    assert torch.equal(video.encode_still(picture), video.encode(picture[:, None].repeat(1, 4, 1, 1, 1))[:, 0])
