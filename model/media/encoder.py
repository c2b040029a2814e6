"""The MP4 of one film, made while its frames come: H.264 beside AAC.

What may surprise:

* Frames are compressed as they come and forgotten, so a long film takes no more room than a short one. What is kept is
  what the file will hold. The bytes do not depend on the portions in which frames come.
* Sound is compressed at the end: a second of it takes less room than a frame, and whoever marks it must hear it all.
* There are no B frames. The first picture then lies at time 0 without an edit list, and simple players stay in sync.
* AAC begins with 1,024 samples of priming. The muxer writes an edit list that skips them.
* The same film gives the same bytes with the same FFmpeg build: one thread, no dates, no names of programs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import lcm
from operator import itemgetter
from typing import Any, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from model.clip import Frames, Picture, Size, Sound
from model.errors import BadLength, BadSize
from model.media.sound import exactly, resample

__all__ = ["Encoder"]

PICTURE: Final = {
    "preset": "faster",  # than that, the file grows; slower presets take twice the time for the same picture and size
    "crf": "14.5",  # constant quality: 0 is lossless, 23 the default; this keeps toy edges crisp
    "aq-strength": "0.7",  # flat grounds need less care than in a photograph, and edges more
    "bf": "0",
    "threads": "1",
    "flags": "+bitexact",
}
SOUND: Final = {
    "aac_coder": "fast",  # the other takes five times as long, and what it writes is less like the sound
    "aac_pns": "0",  # noise is kept as it is: a watermark may be in it
    "aac_tns": "0",  # it shapes noise in time, and costs clicks 10 dB of their likeness
    "global_quality": str(
        2 * 118
    ),  # constant quality, 118 is FFmpeg's 1; a constant rate takes each frame several times
    "flags": "+bitexact+qscale",
}
AAC_BITS: Final = 8  # for each sample that the film itself has, mono, but at least and at most so many per second:
AAC_LEAST, AAC_MOST = 64_000, 128_000  # which the encoder's ear goes by; the size follows from the quality
AAC_HIGHEST: Final = 20_000  # Hz: higher tones are not kept, nor any that the film's own rate has no room for
AAC_RATE: Final = 48_000  # samples per second, unless the film already has one of AAC_RATES
AAC_RATES: Final = (44_100, 48_000)
BT709: Final = 1  # H.273's number for matrix, primaries and transfer
LIMITED: Final = 1  # FFmpeg's number for luma in 16..235
FINE: Final = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND)  # the scaler's quick way loses half a level
READING: Final = 1  # FFmpeg's AVIO_FLAG_READ


class Encoder:
    """One film's. `add` frames, then `finish` with the sound; one thread at a time, and any."""

    def __init__(self, size: Size, fps: Fraction, rate: int) -> None:
        """`rate` is the sound's, in samples per second. Raises BadSize for an odd or empty size (H.264 with 4:2:0
        colour needs even sides)."""
        if size.width < 2 or size.height < 2 or size.width % 2 or size.height % 2:
            raise BadSize(f"An MP4 of {size} cannot be made: width and height must be even. Ask for even numbers.")
        self.size, self.fps, self.rate = size, fps, rate
        self._file = io.BytesIO()
        self._container = _container(self._file)
        self._picture = _picture_stream(self._container, fps, size)
        self._sound = _sound_stream(self._container, rate)
        self._scaler = VideoReformatter()  # kept, since it makes its tables once
        self._packets: list[Packet[VideoStream]] = []
        self.frames = 0  # that have come

    def add(self, frames: Frames) -> None:
        """Takes the next frames, uint8 [frames, height, width, 3] of the size that was told; raises BadSize."""
        if frames.dtype != np.uint8 or frames.shape[1:] != (self.size.height, self.size.width, 3):
            raise BadSize(f"Frames are uint8 [frames, height, width, 3] of {self.size}, not {_told(frames)}.")
        for pixels in frames:
            self._packets += self._picture.encode(self._frame(pixels))
            self.frames += 1

    def finish(self, sound: Sound) -> bytes:
        """The file, which can be played while it loads; sound is cut or padded to the picture's length.

        Raises BadLength when no frame has come. Nothing can be added behind it.
        """
        if not self.frames:
            raise BadLength("A film without a single frame cannot be written. Ask for at least one second.")
        rate = self._sound.rate
        clean = np.clip(np.nan_to_num(sound), -1, 1).astype(np.float32)
        heard = exactly(resample(clean, self.rate, rate), round(self.frames / self.fps * rate))
        with self._container:
            self._mux(heard)
        return self._file.getvalue()

    def _frame(self, pixels: Picture) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = self._scaler.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=BT709,
            dst_color_range=LIMITED,
            interpolation=FINE,
            threads=1,  # it would start one for each core
        )
        frame.pts, frame.time_base = self.frames, 1 / self.fps
        return frame

    def _mux(self, sound: Sound) -> None:
        """Frame after frame, each followed by the sound of its time, so that a player finds both close together."""
        self._container.mux(_in_time([*self._packets, *self._picture.encode(None)], [*self._heard(sound)]))

    def _heard(self, sound: Sound) -> Iterator[Packet[Any]]:
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._sound.rate, 0, Fraction(1, self._sound.rate)
        yield from self._sound.encode(frame)  # which cuts it into AAC's own frames
        yield from self._sound.encode(None)


def _in_time(*tracks: Sequence[Any]) -> Sequence[Packet[Any]]:  # of packets, whose times may be None for others
    """The packets of all tracks, none of which is empty, in the order in which what is in them ends. Encoders give
    every packet its times, and all of a track the same unit; in whole parts of both units they compare exactly."""
    units = [Fraction(track[0].time_base) for track in tracks]
    parts = lcm(*(unit.denominator for unit in units))
    ends = [
        ((packet.pts + packet.duration) * int(unit * parts), packet)
        for unit, track in zip(units, tracks, strict=True)
        for packet in track
    ]
    return [packet for _, packet in sorted(ends, key=itemgetter(0))]


def _container(out: io.BytesIO) -> OutputContainer:
    def again(_url: str, flags: int, _options: object) -> io.BytesIO:  # faststart reads its own output to shift it
        return io.BytesIO(out.getvalue()) if flags == READING else out

    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    return av.open(out, "w", format="mp4", options=options, io_open=again)


def _picture_stream(container: OutputContainer, fps: Fraction, size: Size) -> VideoStream:
    stream = container.add_stream("libx264", rate=fps, options=PICTURE)
    stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
    stream.codec_context.time_base = 1 / fps
    stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = BT709
    stream.codec_context.color_range = LIMITED
    return stream


def _sound_stream(container: OutputContainer, rate: int) -> AudioStream:
    options = {**SOUND, "cutoff": str(min(rate * 3 // 4, AAC_HIGHEST))}  # a band that ends at half the rate rings
    stream = container.add_stream("aac", rate=rate if rate in AAC_RATES else AAC_RATE, options=options, layout="mono")
    stream.codec_context.bit_rate = min(max(AAC_BITS * rate, AAC_LEAST), AAC_MOST)
    return stream


def _told(frames: Frames) -> str:
    return f"{frames.dtype} {frames.shape}"
