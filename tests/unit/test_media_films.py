"""Films as files: what is written is what is read, and whatever is sent is a film or one sentence."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import media
from model.clip import Film, Size
from model.errors import BadLength, BadMedia, BadSize, Refused, Unavailable
from model.media import Encoder, FilmLimits, encode_film, read_film, resample, write_film

EIGHT = Fraction(8)


def film_of(frames=16, width=64, height=64, fps=EIGHT, rate=8_000, clicks=(0.5,)) -> Film:
    """A bright disc that moves over a shaded ground, with a click at each of `clicks` seconds."""
    rows, columns = np.mgrid[:height, :width]
    pictures = np.empty((frames, height, width, 3), np.uint8)
    for number in range(frames):
        disc = (columns - width / 4 - number) ** 2 + (rows - height / 2) ** 2 < (height / 5) ** 2
        pictures[number] = np.where(disc[..., None], [220, 210, 60], 40 + 60 * rows[..., None] // height)
    sound = np.zeros(round(frames / fps * rate), np.float32)
    sound[[round(click * rate) for click in clicks]] = 0.9
    return Film(frames=pictures, fps=fps, sound=sound, rate=rate)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other.astype(float)) ** 2)))


def coded(film: Film, form: str, codec: str, sound: str | None = None, pixels="yuv420p", stamps=None, turn=0) -> bytes:
    """A film in another form than ours; `stamps` are the times of its frames in thousandths of a second."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        track: Any = container.add_stream(codec, rate=film.fps)
        track.width, track.height, track.pix_fmt = film.frames.shape[2], film.frames.shape[1], pixels
        track.codec_context.time_base = Fraction(1, 1000)
        if turn:
            track.set_display_rotation(turn)
        heard: Any = container.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for number, picture in enumerate(film.frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts = stamps[number] if stamps else round(number * 1000 / film.fps)
            frame.time_base = Fraction(1, 1000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        if heard is not None:
            samples = (resample(film.sound, film.rate, 48_000) * 32_767).astype(np.int16)
            both = np.stack([samples, samples], axis=1).reshape(1, -1)
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(both), format="s16", layout="stereo")
            piece.sample_rate, piece.pts, piece.time_base = 48_000, 0, Fraction(1, 48_000)
            for each in av.AudioResampler(format=heard.codec_context.format, frame_size=960).resample(piece):
                container.mux(heard.encode(each))
            container.mux(heard.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def ours() -> bytes:
    return encode_film(film_of())


def test_the_public_names_are_sorted_and_exist():
    assert media.__all__ == sorted(media.__all__)
    assert all(hasattr(media, name) for name in media.__all__)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (80, 48), (48, 80), (2, 2), (66, 34), (320, 180)])
def test_a_film_comes_back_with_its_size_rate_and_length(width, height):
    film = film_of(width=width, height=height)

    again = read_film(encode_film(film), fps=film.fps, rate=film.rate)

    assert again.frames.shape == film.frames.shape
    assert (again.fps, again.rate, len(again.sound)) == (film.fps, film.rate, len(film.sound))


def test_a_film_comes_back_looking_the_same(ours):
    again = read_film(ours, fps=EIGHT, rate=8_000).frames

    assert psnr(again, film_of().frames) > 32  # the disc's yellow edge suffers from colour at half resolution
    assert abs(again.mean() - film_of().frames.mean()) < 0.2


def test_a_grey_film_comes_back_almost_exactly():
    film = film_of()
    grey = Film(frames=film.frames[..., :1].repeat(3, axis=3), fps=film.fps, sound=film.sound, rate=film.rate)

    assert psnr(read_film(encode_film(grey), fps=EIGHT, rate=8_000).frames, grey.frames) > 48


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_sound_comes_back_as_loud_and_much_like_it_was(rate):
    at = np.arange(2 * rate) / rate
    chord = sum(np.sin(2 * np.pi * tone * at) / 8 for tone in (262, 659, 1_568, 2_637)) * (0.55 + 0.45 * np.sin(9 * at))
    film = film_of(rate=rate)
    given = (chord + film.sound / 2).astype(np.float32)

    sound = read_film(encode_film(replace(film, sound=given)), fps=EIGHT, rate=rate).sound

    assert abs(10 * np.log10((sound**2).sum() / (given**2).sum())) < 0.1
    assert 10 * np.log10((given**2).sum() / ((sound - given) ** 2).sum()) > 42


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_every_click_is_heard_when_it_was_made(rate):
    clicks = (0.0625, 0.5, 1.25, 1.9)

    sound = read_film(encode_film(film_of(rate=rate, clicks=clicks)), fps=EIGHT, rate=rate).sound

    for click in clicks:
        near = slice(max(round((click - 0.05) * rate), 0), round((click + 0.05) * rate))
        assert abs((near.start + np.abs(sound[near]).argmax()) / rate - click) < 0.010


def test_a_plain_player_finds_picture_and_sound_equally_long_and_in_step():
    body = encode_film(film_of(fps=Fraction(24_000, 1001), frames=48, clicks=(1.0,)))

    with av.open(io.BytesIO(body), "r") as container:
        picture: Any = container.streams.video[0]
        sound: Any = container.streams.audio[0]
        assert abs(picture.duration * picture.time_base - sound.duration * sound.time_base) < Fraction(1, 24)
        assert (picture.start_time, sound.start_time, picture.average_rate) == (0, 0, Fraction(24_000, 1001))
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(sound)])
    assert abs(np.abs(heard).argmax() / sound.rate - 1.0) < 0.010


def test_the_file_is_h264_420_bt709_and_aac_and_plays_while_it_loads(ours):
    with av.open(io.BytesIO(ours)) as container:
        picture = container.streams.video[0].codec_context
        sound = container.streams.audio[0].codec_context
        assert (picture.name, picture.pix_fmt, sound.name) == ("h264", "yuv420p", "aac")
        assert (picture.colorspace, picture.color_primaries, picture.color_trc, picture.color_range) == (1, 1, 1, 1)
    assert ours.index(b"moov") < ours.index(b"mdat")


def test_picture_and_sound_of_one_moment_lie_close_together():
    body = encode_film(film_of(frames=15 * 8, width=16, height=16))

    with av.open(io.BytesIO(body), "r") as container:
        packets: list[Any] = [packet for packet in container.demux() if packet.size]
        laid = sorted((each.pos, each.stream.type, (each.pts + each.duration) * each.time_base) for each in packets)
    ends = {"video": Fraction(0), "audio": Fraction(0)}
    for _, kind, end in laid:
        ends[kind] = end
        assert abs(ends["video"] - ends["audio"]) <= 0.15  # a frame of the picture's, and one of the sound's


def test_the_same_film_gives_the_same_bytes(ours):
    assert encode_film(film_of()) == ours


@settings(max_examples=15)
@given(st.lists(st.integers(1, 15), unique=True))
def test_a_film_that_is_encoded_while_it_comes_has_the_bytes_of_the_whole_one(ours, cuts):
    film = film_of()
    encoder = Encoder(film.size, film.fps, film.rate)

    for start, end in pairwise([0, *sorted(cuts), len(film.frames)]):
        encoder.add(film.frames[start:end])

    assert encoder.finish(film.sound) == ours


def test_frames_of_another_size_than_was_told_are_refused():
    encoder = Encoder(Size(64, 64), EIGHT, 8_000)

    with pytest.raises(BadSize, match="64x64"):
        encoder.add(film_of(width=32).frames)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 63), (1, 1)])
def test_an_odd_size_is_refused(width, height):
    with pytest.raises(BadSize, match="even"):
        encode_film(film_of(width=width, height=height))


def test_a_film_without_frames_is_refused():
    with pytest.raises(BadLength, match="single frame"):
        encode_film(film_of(frames=0, clicks=()))


def test_one_frame_is_a_film():
    assert read_film(encode_film(film_of(frames=1, clicks=())), fps=EIGHT, rate=8_000).frames.shape == (1, 64, 64, 3)


@pytest.mark.parametrize("samples", [0, 1, 999, 50_000])
def test_sound_of_another_length_is_cut_or_padded(samples):
    film = film_of()
    odd = Film(frames=film.frames, fps=film.fps, sound=np.full(samples, np.nan, np.float32), rate=film.rate)

    assert len(read_film(encode_film(odd), fps=EIGHT, rate=8_000).sound) == 16_000


def test_a_film_is_written_to_a_path_or_an_open_file(tmp_path, ours):
    write_film(film_of(), tmp_path / "film.mp4")
    write_film(film_of(), held := io.BytesIO())

    assert (tmp_path / "film.mp4").read_bytes() == held.getvalue() == ours
    assert [each.name for each in tmp_path.iterdir()] == ["film.mp4"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(Refused, match=r"no folder .*absent"):
        write_film(film_of(), tmp_path / "absent" / "film.mp4")


def test_a_folder_in_the_place_of_the_film_is_refused(tmp_path):
    (tmp_path / "film.mp4").mkdir()

    with pytest.raises(Refused, match=r"film\.mp4"):
        write_film(film_of(), tmp_path / "film.mp4")

    assert [each.name for each in tmp_path.iterdir()] == ["film.mp4"]


def test_a_full_disk_leaves_the_old_film_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))

    with pytest.raises(Unavailable, match="disk is full"):
        write_film(film_of(), tmp_path / "film.mp4")

    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"film.mp4": b"old"}


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100])
def test_resampling_keeps_length_time_and_loudness(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    there = resample(tone, rate, 48_000)

    assert len(there) == 48_000
    wanted = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    assert np.abs(there - wanted)[2_000:-2_000].max() < 0.01
    assert len(resample(there, 48_000, rate)) == rate


@pytest.mark.parametrize(
    ("form", "codec", "sound", "pixels"),
    [
        ("mp4", "libx264", "aac", "yuv420p"),
        ("mov", "mpeg4", "pcm_s16le", "yuv420p"),
        ("webm", "libvpx", "libopus", "yuv420p"),
        ("matroska", "libx264", "flac", "yuv420p"),
        ("avi", "mjpeg", "pcm_s16le", "yuvj420p"),
    ],
)
def test_films_of_other_makers_are_read_with_their_sound(form, codec, sound, pixels):
    film = film_of(fps=Fraction(25), frames=50)

    again = read_film(coded(film, form, codec, sound, pixels), fps=Fraction(25), rate=8_000)

    assert again.frames.shape == film.frames.shape
    assert len(again.sound) == 16_000
    assert abs(np.abs(again.sound).argmax() / 8_000 - 0.5) < 0.010
    assert psnr(again.frames, film.frames) > 24


def test_a_moving_gif_is_read_and_silent():
    again = read_film(coded(film_of(fps=Fraction(10), frames=20), "gif", "gif", pixels="rgb8"), fps=EIGHT, rate=8_000)

    assert again.frames.shape == (16, 64, 64, 3)
    assert not again.sound.any()
    assert len(again.sound) == 16_000


def test_a_changing_frame_rate_becomes_a_constant_one():
    film = film_of(frames=4, clicks=())
    body = coded(film, "matroska", "libx264", stamps=[0, 1_000, 1_250, 1_500])

    again = read_film(body, fps=EIGHT, rate=8_000)

    nearest = [int(np.argmax([psnr(frame, each) for each in film.frames])) for frame in again.frames]
    assert nearest[:13] == [0] * 8 + [1] * 2 + [2] * 2 + [3]


def test_a_film_filmed_upright_is_read_upright():
    film = film_of(width=80, height=48)

    again = read_film(coded(film, "mp4", "libx264", turn=90), fps=EIGHT, rate=8_000)

    assert psnr(again.frames, np.rot90(film.frames, axes=(1, 2))) > 30


def test_frames_are_brought_to_the_wanted_size_and_rate(ours):
    again = read_film(ours, fps=Fraction(12), rate=16_000, size=Size(30, 17))

    assert again.frames.shape == (24, 17, 30, 3)
    assert len(again.sound) == 32_000


def test_a_film_of_16_seconds_is_refused_unless_it_may_be_cut():
    body = encode_film(film_of(frames=16 * 8, width=16, height=16, clicks=(14.5,)))

    with pytest.raises(BadMedia, match=r"16\.0 s long, and at most 15 s.*Cut it"):
        read_film(body, fps=EIGHT, rate=8_000)

    cut = read_film(body, fps=EIGHT, rate=8_000, cut=True)
    assert [len(cut.frames), len(cut.sound), int(np.abs(cut.sound).argmax())] == [120, 120_000, 116_000]


def test_a_little_more_than_the_limit_is_cut_without_a_word():
    assert read_film(encode_film(film_of(frames=122, width=16, height=16)), fps=EIGHT, rate=8_000).seconds == 15


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (FilmLimits(bytes=1_000), "has more than"),
        (FilmLimits(pixels=64 * 63), "64x64, and at most"),
        (FilmLimits(frames=10), "more than 10 frames"),
        (FilmLimits(held=100_000), "too much memory"),
        (FilmLimits(seconds=1), "2.0 s long"),
    ],
)
def test_each_limit_is_one_sentence(ours, limits, sentence):
    with pytest.raises(BadMedia, match=sentence):
        read_film(ours, fps=EIGHT, rate=8_000, limits=limits)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("form", ["ours", "webm", "avi"])
def test_a_film_that_breaks_off_is_refused(ours, form, share):
    makers = {"webm": ("webm", "libvpx"), "avi": ("avi", "mpeg4")}
    body = ours if form == "ours" else coded(film_of(frames=40), *makers[form])

    with pytest.raises(BadMedia, match=r"Send the whole file|damaged|no picture track"):
        read_film(body[: int(len(body) * share)], fps=EIGHT, rate=8_000)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {secret}\n",
        '<?xml version="1.0"?><MPD type="static"><BaseURL>{secret}</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "plain words\n" * 100,
    ],
)
def test_text_never_makes_us_read_another_file(tmp_path, ours, text):
    (tmp_path / "secret.mp4").write_bytes(ours)
    (tmp_path / "film.mp4").write_text(text.replace("{secret}", str(tmp_path / "secret.mp4")))

    with pytest.raises(BadMedia, match=r"film\.mp4 holds text"):
        read_film(tmp_path / "film.mp4", fps=EIGHT, rate=8_000)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "is an image, not a film"),
        (b"\0" * 5_000, "not a film that can be read"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 12, "not a film|no picture"),
        (b"RIFF\0\0\0\0AVI LIST", "damaged|no picture|breaks off"),
    ],
)
def test_what_is_not_a_film_is_named(body, sentence):
    with pytest.raises(BadMedia, match=sentence):
        read_film(body, fps=EIGHT, rate=8_000)


@pytest.mark.parametrize(("box", "place"), [(b"stsz", 12), (b"trun", 8)])
def test_a_small_file_that_claims_millions_of_frames_is_refused(ours, box, place):
    moov = ours.index(b"moov") - 4
    claim = box + bytes(place - 4) + struct.pack(">I", 20_000_000)
    body = ours[:moov] + struct.pack(">I", len(claim) + 4) + claim + ours[moov:]

    with pytest.raises(BadMedia, match="claims to have millions of frames"):
        read_film(body, fps=EIGHT, rate=8_000)


def test_a_film_without_pictures_is_refused():
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))

    with pytest.raises(BadMedia, match="no picture track"):
        read_film(out.getvalue(), fps=EIGHT, rate=8_000)


def test_paths_that_are_no_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")

    for path in (tmp_path, tmp_path / "absent.mp4", tmp_path / "pipe.mp4", Path("zero\0byte"), Path("/dev/zero")):
        with pytest.raises(BadMedia):
            read_film(path, fps=EIGHT, rate=8_000)


def test_impossible_wishes_are_errors_of_the_caller(ours):
    for fps, rate in ((Fraction(0), 8_000), (Fraction(1_000), 8_000), (EIGHT, 0)):
        with pytest.raises(ValueError, match="cannot be made"):
            read_film(ours, fps=fps, rate=rate)
    with pytest.raises(BadSize):
        read_film(ours, fps=EIGHT, rate=8_000, size=Size(0, 5))


HEADS = [b"\0\0\0\x1cftypisom", b"\x1a\x45\xdf\xa3", b"GIF89a", b"RIFF\xff\xff\0\0AVI ", b"#EXTM3U\n", b""]


@settings(max_examples=50)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=2_000))
def test_any_bytes_are_a_film_or_a_refusal(head, rest):
    with contextlib.suppress(BadMedia):
        assert read_film(head + rest, fps=EIGHT, rate=8_000, size=Size(16, 16)).frames.shape[1:] == (16, 16, 3)


@settings(max_examples=60)
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_film_with_altered_bytes_is_a_film_or_a_refusal(ours, edits):
    body = bytearray(ours)
    for place, value in edits:
        body[int(place * len(body))] = value
    try:
        again = read_film(bytes(body), fps=EIGHT, rate=8_000, size=Size(16, 16))
    except BadMedia:
        return
    assert len(again.frames) <= 120
    assert len(again.sound) == len(again.frames) * 1_000
