"""A film's bytes decoded with FFmpeg, within limits.

FFmpeg is shut in: it reads one buffer with the one demuxer that the caller names, may open nothing else, and may use
only the decoders listed here. Every loop ends, since packets, frames, seconds and bytes are all counted. Any exception
means that the bytes are at fault; `read.py` turns it into a sentence.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from model.clip import Film, Picture, Size, Sound
from model.errors import BadMedia
from model.media.fit import fit_picture
from model.media.limits import FilmLimits
from model.media.sound import exactly, resample

DECODERS = (
    "h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "gif", "png", "prores",
    "aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "ac3", "eac3", "pcm_u8",
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be",
)  # fmt: skip
PACKETS = 50_000  # of one file: 15 s of picture and sound take about 2,000
SLOWEST, FASTEST = 4_000, 192_000  # samples per second that a sound track may have
SLACK = 0.02  # seconds by which a sound packet's time may differ from the end of the one before without being moved
UNSPECIFIED, BT709 = 2, 1  # FFmpeg's numbers of colour matrices
FINE = int(Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND)  # else levels drop by 1
HD = 720  # rows from which an untagged film is taken to be BT.709, as players do


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the film shall be like."""

    fps: Fraction
    rate: int
    size: Callable[[Size], Size] | None  # what to make of the size that is shown; None keeps it
    cut: bool  # whether a film that is too long is cut instead of refused


def film(body: bytes, demuxer: str, name: str, wanted: Wanted, limits: FilmLimits) -> Film:
    """Decode `body`; `name` opens the sentence of a refusal. Raises BadMedia, or anything at all for damaged bytes."""
    options = {
        "codec_whitelist": ",".join(DECODERS),
        "protocol_whitelist": "none",
        "max_pixels": str(limits.pixels),
    }
    with av.open(io.BytesIO(body), "r", format=demuxer, options=options, io_open=_never) as container:
        video, audio = _tracks(container, name)
        _refuse_early(name, video, wanted, limits)
        reel, tape = Reel(name, wanted, limits, video), Tape(audio, limits) if audio else None
        _play(container, name, reel, tape)
        frames = reel.frames()
    length = round(len(frames) / wanted.fps * wanted.rate)
    sound = tape.sound(reel.zero, wanted.rate) if tape else np.zeros(0, np.float32)
    return Film(frames=frames, fps=wanted.fps, sound=exactly(sound, length), rate=wanted.rate)


def _never(*_: object) -> NoReturn:
    raise PermissionError("a film may not name other files")


def _tracks(container: InputContainer, name: str) -> tuple[VideoStream, AudioStream | None]:
    pictures = [each for each in container.streams.video if _decoder(each)]
    sounds = [each for each in container.streams.audio if _decoder(each)]
    if not pictures:
        raise BadMedia(f"{name} has no picture track that can be read. Save it again as MP4 (H.264).")
    tracks: list[VideoStream | AudioStream] = [pictures[0], *sounds[:1]]
    for track in tracks:
        if _decoder(track) not in DECODERS:
            raise BadMedia(f"{name} is coded as {_decoder(track)}, which is not read. Save it again as MP4 (H.264).")
        track.codec_context.thread_count = 1  # the same bytes give the same film
    return pictures[0], sounds[0] if sounds else None


def _decoder(track: VideoStream | AudioStream) -> str:
    """FFmpeg's name of the track's decoder, or nothing if it has none."""
    context: VideoCodecContext | AudioCodecContext | None = track.codec_context
    return context.codec.name if context else ""


def _refuse_early(name: str, video: VideoStream, wanted: Wanted, limits: FilmLimits) -> None:
    """What the header already says, before anything is decoded."""
    _refuse_large(name, video.codec_context.width, video.codec_context.height, limits)
    if video.duration is not None and video.time_base is not None:
        _refuse_long(name, video.duration * video.time_base, wanted, limits)


def _refuse_large(name: str, width: int, height: int, limits: FilmLimits) -> None:
    if width * height > limits.pixels:
        raise BadMedia(
            f"{name} is {width}x{height}, and at most {limits.pixels / 1e6:.1f} million pixels a frame are read."
            " Make it smaller and send it again."
        )


def _refuse_long(name: str, seconds: Fraction, wanted: Wanted, limits: FilmLimits) -> None:
    if not wanted.cut and seconds > limits.seconds + limits.grace:
        raise BadMedia(
            f"{name} is {min(float(seconds), 1e9):.1f} s long, and at most {limits.seconds:g} s are read."
            " Cut it to that length and send it again."
        )


def _play(container: InputContainer, name: str, reel: Reel, tape: Tape | None) -> None:
    """Hand every packet to the reel or the tape until both are full or the file ends."""
    tracks = (reel.track, tape.track) if tape else (reel.track,)
    for number, packet in enumerate(container.demux(tracks)):
        if number > PACKETS and reel.full:
            return
        if number > PACKETS:
            raise BadMedia(f"{name} is cut into far too many pieces. Save it again as MP4 (H.264).")
        if packet.stream is reel.track or tape is None:
            reel.take(cast("Packet[VideoStream]", packet))
        else:
            tape.take(cast("Packet[AudioStream]", packet))
        if reel.full and (tape is None or tape.full):
            return


@dataclass
class Reel:
    """Decoded frames sampled to a constant rate: output n is the frame on display at (n + 1/2) / fps.

    The middle of each interval makes the identity of an equal rate robust against rounded time stamps.
    """

    name: str
    wanted: Wanted
    limits: FilmLimits
    track: VideoStream
    zero: Fraction = Fraction(0)  # time stamp of the first frame, in seconds
    end: Fraction = Fraction(0)  # where the last frame ends, in seconds after `zero`
    step: Fraction = Fraction(0)  # length of the last frame
    decoded: int = 0
    shown: list[Picture] = field(default_factory=list)
    last: VideoFrame | None = None
    last_at: Fraction = Fraction(0)

    @property
    def most(self) -> int:
        """Frames that are returned at most."""
        return int(self.limits.seconds * self.wanted.fps)

    @property
    def full(self) -> bool:
        """Whether the film has all the frames it may have, and nobody needs to know how many more there are."""
        return self.wanted.cut and len(self.shown) >= self.most

    def take(self, packet: Packet[VideoStream]) -> None:
        """Decode a packet of the picture track."""
        for frame in [] if self.full else packet.decode():
            self._take(frame)

    def frames(self) -> NDArray[np.uint8]:
        """All frames [T,H,W,3], once the file is at its end."""
        if self.last is None:
            raise BadMedia(f"{self.name} has no frame that can be read. Save it again as MP4 (H.264).")
        total = min(max(round(self.end * self.wanted.fps), 1), max(self.most, 1))
        self._show_until(total)
        return np.stack(self.shown[:total])

    def _take(self, frame: VideoFrame) -> None:
        self.decoded += 1
        if self.decoded > self.limits.frames:
            raise BadMedia(f"{self.name} has more than {self.limits.frames} frames. Lower its frame rate, or cut it.")
        if frame.is_corrupt:
            raise BadMedia(f"{self.name} has a damaged frame. Save it again, or send another.")
        _refuse_large(self.name, frame.width, frame.height, self.limits)
        at = self._time(frame)
        self._show_until(min(int(at * self.wanted.fps + Fraction(1, 2)), self.most))
        self.last, self.last_at, self.end = frame, at, at + self.step
        _refuse_long(self.name, self.end, self.wanted, self.limits)

    def _time(self, frame: VideoFrame) -> Fraction:
        """Seconds from the first frame to this one. A missing stamp follows the frame before."""
        base = frame.time_base or self.track.time_base or Fraction(1, 1000)
        usual = 1 / self.track.average_rate if self.track.average_rate else 1 / self.wanted.fps
        stamp = None if frame.pts is None else frame.pts * base
        if self.last is None:
            self.zero = stamp or Fraction(0)
        at = self.end if stamp is None else max(stamp - self.zero, self.last_at)
        self.step = frame.duration * base if frame.duration and frame.duration > 0 else usual
        return at

    def _show_until(self, count: int) -> None:
        """Let the last frame fill the output up to `count` frames."""
        if self.last is None or len(self.shown) >= count:
            return
        picture = self._picture(self.last)
        if picture.nbytes * count > self.limits.held:
            raise BadMedia(f"{self.name} takes too much memory at its full size. Ask for a smaller size, or cut it.")
        self.shown += [picture] * (count - len(self.shown))

    def _picture(self, frame: VideoFrame) -> Picture:
        """A frame as it is shown: square pixels, upright, over black, and of the wanted size if one is wanted."""
        through = any(each.is_alpha for each in frame.format.components)
        matrix = BT709 if frame.colorspace == UNSPECIFIED and frame.height >= HD else None
        shown = frame.reformat(
            width=_display_width(frame.width, self.track.sample_aspect_ratio),
            format="rgba" if through else "rgb24",
            src_colorspace=matrix,
            interpolation=FINE,
        )
        pixels = np.asarray(shown.to_ndarray(), np.uint8)
        if through:
            pixels = (pixels[..., :3].astype(np.uint16) * pixels[..., 3:] // 255).astype(np.uint8)
        pixels = np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))
        _refuse_large(self.name, pixels.shape[1], pixels.shape[0], self.limits)
        if self.shown:
            height, width = self.shown[0].shape[:2]
            return fit_picture(pixels, Size(width, height))
        size = Size(pixels.shape[1], pixels.shape[0])
        return fit_picture(pixels, size if self.wanted.size is None else self.wanted.size(size))


def _display_width(width: int, aspect: Fraction | None) -> int:
    """The width with square pixels. Aspects beyond 1:4 and 4:1 are mistakes and ignored."""
    return round(width * aspect) or 1 if aspect and Fraction(1, 4) <= aspect <= 4 else width


class Tape:
    """A sound track laid out at its own rate, each packet at its time, as one channel."""

    def __init__(self, track: AudioStream, limits: FilmLimits) -> None:
        self.track = track
        self.rate = track.codec_context.sample_rate
        if not SLOWEST <= self.rate <= FASTEST:
            raise ValueError(f"a sound track of {self.rate} Hz")
        self.zero: Fraction | None = None  # time stamp of the first sample, in seconds
        self.heard = np.zeros(int((limits.seconds + limits.grace) * self.rate) + 1, np.float32)
        self.used = 0  # samples of `heard`

    @property
    def full(self) -> bool:
        """Whether no further sample has a place."""
        return self.used >= len(self.heard)

    def take(self, packet: Packet[AudioStream]) -> None:
        """Decode a packet of the sound track."""
        for frame in packet.decode():
            if frame.sample_rate != self.rate:
                raise ValueError("a sound track that changes its rate")
            base = frame.time_base or Fraction(1, self.rate)
            self._lay(_mono(frame), None if frame.pts is None else frame.pts * base)

    def sound(self, zero: Fraction, rate: int) -> Sound:
        """The sound [samples] at `rate` from time stamp `zero` on."""
        ahead = round(((self.zero or zero) - zero) * self.rate)
        heard = self.heard[: self.used]
        late = np.zeros(min(max(ahead, 0), len(self.heard)), np.float32)
        placed = np.concatenate([late, heard[max(-ahead, 0) :]])
        return np.clip(np.nan_to_num(resample(placed, self.rate, rate)), -1, 1)

    def _lay(self, samples: Sound, stamp: Fraction | None) -> None:
        if self.zero is None:
            self.zero = stamp or Fraction(0)
        place = self.used if stamp is None else round((stamp - self.zero) * self.rate)
        if place - self.used <= SLACK * self.rate:  # a gap is kept as silence; an overlap is played one after the other
            place = self.used
        place = min(place, len(self.heard))
        kept = samples[: len(self.heard) - place]
        self.heard[place : place + len(kept)] = kept
        self.used = place + len(kept)


def _mono(frame: AudioFrame) -> Sound:
    """The mean of a frame's channels [samples], -1..1."""
    values = frame.to_ndarray()
    channels = len(frame.layout.channels)
    mixed = (values if frame.format.is_planar else values.reshape(-1, channels).T).astype(np.float64)
    if values.dtype == np.uint8:
        mixed = (mixed - 128) / 128
    elif values.dtype.kind == "i":
        mixed = mixed / 2.0 ** (8 * values.dtype.itemsize - 1)
    return np.asarray(mixed.mean(axis=0), np.float32)
