"""A film that is developed while it is decoded is, byte for byte, the one that is developed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.checkpoint import Model, load
from model.clip import Clip, Film, Frames, Mode, Size
from model.generate import Codes, Generator
from model.make import Maker
from model.media import Encoder, encode_film
from model.render import Development, Renderer

CHUNKS = 6
ASKED = Size(96, 64)  # another shape than the model's own
FRAMES = 22  # two fewer than the chunks hold


@pytest.fixture(scope="module")
def model(untrained) -> Model:
    return load(str(untrained))


@pytest.fixture(scope="module")
def codes(model) -> Codes:
    draw = torch.Generator().manual_seed(4)
    c = model.config
    video = torch.randint(c.video.codes, (CHUNKS, 8, 8), generator=draw)
    return Codes(video, torch.randint(c.audio.codes, (CHUNKS, c.audio_codes), generator=draw))


@pytest.fixture(scope="module")
def afterwards(model, codes) -> bytes:
    """Rendered whole, then cut, scaled and compressed."""
    maker = Maker(Generator(model))
    clip = Clip(prompt="a ball", mode=Mode.T2V, size=ASKED, seconds=3, seed=1)
    renderer = Renderer(model)
    for number in range(CHUNKS):
        renderer.add(codes[number : number + 1])
    film = maker.finish(maker.ready(clip), *renderer.all())
    return encode_film(Film(frames=film.frames[:FRAMES], fps=film.fps, sound=film.sound[: FRAMES * 1_000], rate=8_000))


def pieces(codes: Codes, cuts: list[int]) -> Iterator[Codes]:
    for start, end in zip([0, *cuts], [*cuts, CHUNKS], strict=True):
        yield codes[start:end]


@settings(max_examples=12)
@given(st.lists(st.integers(1, CHUNKS - 1), unique=True).map(sorted), st.booleans())
def test_a_film_has_the_same_bytes_however_its_chunks_come(model, codes, afterwards, cuts, patient):
    """One that was killed and resumed comes as its checkpoints in one piece, then chunk by chunk."""
    film, encoder = Development(model, ASKED, FRAMES, patient=patient), Encoder(ASKED, Fraction(8), 8_000)

    for piece in pieces(codes, cuts):
        encoder.add(film.add(piece))

    assert encoder.finish(film.sound()) == afterwards


@pytest.mark.parametrize(("patient", "handed"), [(False, [4, 4, 4, 4, 4, 2]), (True, [0, 0, 0, 16, 0, 6])])
def test_who_is_patient_is_handed_the_frames_of_some_chunks_at_a_time(model, codes, patient, handed):
    """Four chunks of 64 codes, and at the film's end what is left."""
    film = Development(model, ASKED, FRAMES, patient=patient)

    assert [len(film.add(chunk)) for chunk in pieces(codes, [1, 2, 3, 4, 5])] == handed


def test_the_sound_of_some_chunks_is_where_that_of_all_begins(model, codes):
    film = Development(model, ASKED, FRAMES)
    film.add(codes[:2])
    some = film.sound()
    film.add(codes[2:])

    assert np.array_equal(film.sound()[: len(some)], some)
    assert (len(some), len(film.sound())) == (8_000, 22_000)


def test_chunks_of_a_large_film_are_rendered_one_at_a_time_for_the_patient_too(model):
    draw, c = torch.Generator().manual_seed(4), model.config
    large = Codes(torch.randint(c.video.codes, (2, 18, 32), generator=draw), torch.zeros(2, c.audio_codes).long())
    film = Development(model, ASKED, 8, patient=True)

    assert [len(film.add(large[n : n + 1])) for n in range(2)] == [4, 4]


def test_frames_are_handed_out_while_the_next_chunk_is_decoded(model):
    """The first frames come before the last chunk is decoded, and none is missing."""
    told: list[str] = []
    generator, clip = Generator(model), Clip(prompt="a ball", mode=Mode.T2V, size=ASKED, seconds=8, seed=1)

    made = Maker(generator).develop(
        clip, lambda some: told.append(f"{len(some)} frames"), lambda n, _: told.append(f"{n}")
    )

    assert told.count("4 frames") == 16
    assert told.index("4 frames") < told.index("16")
    assert len(made.sound) == 64_000


def test_a_film_that_is_kept_is_the_one_that_was_handed_out(model):
    clip, frames = Clip(prompt="a ball", mode=Mode.T2V, size=ASKED, seconds=1, seed=1), list[Frames]()

    made = Maker(Generator(model)).develop(clip, frames.append)

    film, _ = Maker(Generator(model)).make(clip)
    assert np.array_equal(np.concatenate(frames), film.frames)
    assert np.array_equal(made.sound, film.sound)


def test_a_fault_of_whoever_takes_the_frames_ends_the_film(model):
    def full(_: object) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        Maker(Generator(model)).develop(Clip(prompt="a", mode=Mode.T2V, size=ASKED, seconds=1, seed=1), full)
