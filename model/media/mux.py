"""A film as an MP4 file: H.264 beside AAC.

What may surprise:

* The file is made in memory and then put in its place in one step, so a full disk never leaves half a film.
* There are no B frames. The first picture then lies at time 0 without an edit list, and simple players stay in sync.
* AAC begins with 1,024 samples of priming. The muxer writes an edit list that skips them.
* The same film gives the same bytes with the same FFmpeg build: one thread, no dates, no names of programs.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from model.clip import Film, Size, Sound
from model.errors import BadLength, BadSize
from model.media._files import write_whole
from model.media.sound import exactly, resample

CRF = "16"  # x264's constant quality: 0 is lossless, 23 its default; 16 keeps toy edges crisp
AAC_BITS = 128_000  # per second, mono
AAC_RATE = 48_000  # samples per second, unless the film already has one of AAC_RATES
AAC_RATES = (44_100, 48_000)
AAC_FRAME = 1_024  # samples
BT709 = 1  # H.273's number for matrix, primaries and transfer
LIMITED = 1  # FFmpeg's number for luma in 16..235
FINE = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND)  # the scaler's quick way loses half a level
READING = 1  # FFmpeg's AVIO_FLAG_READ


def write_film(film: Film, path: Path | BinaryIO) -> None:
    """Write the film as MP4: exactly its size, constant at its frame rate, sound cut or padded to the picture's length.

    Raises as `encode_film` does; Refused when the place cannot be written; Unavailable when the disk is full. A path
    is written all or not at all. An open file is written from where it stands.
    """
    body = encode_film(film)
    if isinstance(path, Path):
        write_whole(path, body)
    else:
        path.write(body)


def encode_film(film: Film) -> bytes:
    """The film as the bytes of an MP4 file that can be played while it loads.

    Raises BadSize for an odd or empty size (H.264 with 4:2:0 colour needs even sides), BadLength for no frame at all.
    """
    size = _even_size(film)
    out = io.BytesIO()

    def again(_url: str, flags: int, _options: object) -> io.BytesIO:  # faststart reads its own output to shift it
        return io.BytesIO(out.getvalue()) if flags == READING else out

    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(out, "w", format="mp4", options=options, io_open=again) as container:
        picture, sound, rate = _picture_stream(container, film.fps, size), *_sound_for_aac(film)
        _encode_both(container, film, picture, _sound_stream(container, rate), sound, rate)
    return out.getvalue()


def _even_size(film: Film) -> Size:
    if film.frames.ndim != 4 or film.frames.shape[3] != 3 or film.frames.dtype != np.uint8:
        raise BadSize(f"Frames are uint8 [frames, height, width, 3], not {film.frames.dtype} {film.frames.shape}.")
    count, height, width, _ = film.frames.shape
    size = Size(width, height)
    if width < 2 or height < 2 or width % 2 or height % 2:
        raise BadSize(f"An MP4 of {size} cannot be made: width and height must be even. Ask for even numbers.")
    if count == 0:
        raise BadLength("A film without a single frame cannot be written. Ask for at least one second.")
    return size


def _sound_for_aac(film: Film) -> tuple[Sound, int]:
    """The film's sound at a rate that every AAC player knows, as long as the picture, with no NaN in it."""
    rate = film.rate if film.rate in AAC_RATES else AAC_RATE
    clean = np.clip(np.nan_to_num(film.sound), -1, 1).astype(np.float32)
    length = round(len(film.frames) / film.fps * rate)
    return exactly(resample(clean, film.rate, rate), length), rate


def _picture_stream(container: OutputContainer, fps: Fraction, size: Size) -> VideoStream:
    options = {"preset": "medium", "crf": CRF, "bf": "0", "threads": "1", "flags": "+bitexact"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
    stream.codec_context.time_base = 1 / fps
    stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = BT709
    stream.codec_context.color_range = LIMITED
    return stream


def _sound_stream(container: OutputContainer, rate: int) -> AudioStream:
    stream = container.add_stream("aac", rate=rate, options={"flags": "+bitexact"}, layout="mono")
    stream.codec_context.bit_rate = AAC_BITS
    return stream


def _encode_both(
    container: OutputContainer, film: Film, picture: VideoStream, sounding: AudioStream, sound: Sound, rate: int
) -> None:
    """Frame after frame, each followed by the sound of its time, so that a player finds both close together."""
    heard = 0
    for number, pixels in enumerate(film.frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED, interpolation=FINE)
        frame.pts, frame.time_base = number, 1 / film.fps
        container.mux(picture.encode(frame))
        until = round((number + 1) / film.fps * rate)
        for start in range(heard, until - AAC_FRAME + 1, AAC_FRAME):
            _encode_sound(container, sounding, sound, start, rate)
            heard = start + AAC_FRAME
    container.mux(picture.encode(None))
    if heard < len(sound):
        _encode_sound(container, sounding, sound, heard, rate)
    container.mux(sounding.encode(None))


def _encode_sound(container: OutputContainer, stream: AudioStream, sound: Sound, start: int, rate: int) -> None:
    piece = np.ascontiguousarray(sound[start : start + AAC_FRAME])
    frame = av.AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    container.mux(stream.encode(frame))
