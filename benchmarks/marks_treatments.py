"""What others do to films, from what a mark is promised to outlive to what breaks it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from PIL import Image

from model.clip import Film, Size, Sound
from model.media import fit, resample

__all__ = ["BEYOND", "PROMISED", "TRIM", "Treatment", "written"]

Treatment = Callable[[Film], bytes]
TRIM: Final = "trim of 1 s"


def written(
    film: Film, picture: tuple[str, dict[str, str]] | None, sound: tuple[str, int] | None, container: str = "mp4"
) -> bytes:
    """A film encoded by others: codec and options of the picture, codec and bits per second of the sound."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        seen: Any = (
            file.add_stream(picture[0], rate=film.fps, options={"threads": "1", **picture[1]}) if picture else None
        )
        voice: Any = file.add_stream(sound[0], rate=48_000, layout="mono") if sound else None
        if seen:
            seen.width, seen.height, seen.pix_fmt = film.size.width, film.size.height, "yuv420p"
        if voice and sound:
            voice.codec_context.bit_rate = sound[1]
        for number, pixels in enumerate(film.frames if seen else ()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            frame.pts, frame.time_base = number, 1 / film.fps
            file.mux(seen.encode(frame))
        if seen:
            file.mux(seen.encode(None))
        _write_sound(file, voice, resample(film.sound, film.rate, 48_000))
    return out.getvalue()


def _write_sound(file: Any, voice: Any, sound: Sound) -> None:
    if voice is None:
        return
    whole = voice.codec_context.name == "libopus"
    for start in range(0, len(sound), 960):
        piece = np.pad(sound[start : start + 960], (0, max(start + 960 - len(sound), 0)))[None]
        piece = (np.clip(piece, -1, 1) * 32767).astype(np.int16) if whole else np.ascontiguousarray(piece)
        frame = av.AudioFrame.from_ndarray(piece, format="s16" if whole else "fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        file.mux(voice.encode(frame))
    file.mux(voice.encode(None))


def _h264(crf: int, bits: int = 96_000) -> Treatment:
    return lambda film: written(film, ("libx264", {"crf": str(crf)}), ("aac", bits))


def _scaled(parts: int) -> Treatment:
    def scale(film: Film) -> bytes:
        size = Size(*(max(side // (2 * parts) * 2, 2) for side in (film.size.width, film.size.height)))
        return _h264(23)(replace(film, frames=fit(film.frames, size)))

    return scale


def _turned(degrees: float) -> Treatment:
    """Around its middle, with what comes in black."""

    def turn(film: Film) -> bytes:
        turned = [np.asarray(Image.fromarray(each).rotate(degrees, Image.Resampling.BICUBIC)) for each in film.frames]
        return _h264(23)(replace(film, frames=np.stack(turned)))

    return turn


def _vp9(film: Film) -> bytes:
    return written(film, ("libvpx-vp9", {"crf": "34", "b": "0", "cpu-used": "6"}), ("libopus", 48_000), "webm")


def _trimmed(film: Film) -> bytes:
    return _h264(23)(replace(film, frames=film.frames[round(film.fps) :], sound=film.sound[film.rate :]))


def _cropped(share: float) -> Treatment:
    def crop(film: Film) -> bytes:
        rows, columns = (max(round(side * share / 2), 1) for side in (film.size.height, film.size.width))
        inner = film.frames[:, rows : film.size.height - rows, columns : film.size.width - columns]
        return _h264(23)(replace(film, frames=fit(inner, film.size)))

    return crop


def _stretched(share: float) -> Treatment:
    def stretch(film: Film) -> bytes:
        return _h264(23)(replace(film, sound=resample(film.sound, 30_000, round(30_000 * (1 + share)))))

    return stretch


def _slower(share: float) -> Treatment:
    """Picture and sound, as a player does it that keeps the pitch of neither."""

    def slow(film: Film) -> bytes:
        fps = film.fps / (1 + Fraction(share).limit_denominator(1000))
        return _h264(23)(replace(film, fps=fps, sound=resample(film.sound, 10_000, round(10_000 * (1 + share)))))

    return slow


def _mirrored(film: Film) -> bytes:
    return _h264(23)(replace(film, frames=film.frames[:, :, ::-1]))


def _brighter(film: Film) -> bytes:
    frames = np.clip(film.frames * 0.85 + 25, 0, 255).astype(np.uint8)
    return _h264(23)(replace(film, frames=frames, sound=film.sound * np.float32(0.5)))


PROMISED: Final[dict[str, Treatment]] = {
    "H.264 CRF 28": _h264(28),
    "H.264 CRF 35": _h264(35),
    "half size": _scaled(2),
    "VP9, Opus 48k": _vp9,
    "AAC 64k": _h264(20, 64_000),
    TRIM: _trimmed,
}
BEYOND: Final[dict[str, Treatment]] = {
    "H.264 CRF 40, AAC 32k": _h264(40, 32_000),
    "brightness, contrast, volume": _brighter,
    "crop of 2 %": _cropped(0.02),
    "crop of 5 %": _cropped(0.05),
    "crop of 10 %": _cropped(0.10),
    "crop of 15 %": _cropped(0.15),
    "turned by 2 degrees": _turned(2),
    "a quarter of the size": _scaled(4),
    "sound 0.01 % slower": _stretched(0.0001),
    "sound 0.1 % slower": _stretched(0.001),
    "sound 1 % slower": _stretched(0.01),
    "picture and sound 4 % slower": _slower(0.04),
    "mirrored": _mirrored,
}
