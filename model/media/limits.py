"""What an image or a film that somebody sends may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What an image may cost before it is refused."""

    bytes: int = 20 * MIB
    """Size of the file. An image of 40 million pixels is rarely larger."""
    pixels: int = 40_000_000
    """Width times height; decoding takes about 8 bytes a pixel for a moment."""
    side: int = 8_192
    """The longer of width and height, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmLimits:
    """What a film may cost before it is refused."""

    bytes: int = 200 * MIB
    """Size of the file."""
    pixels: int = 3840 * 2160
    """Width times height of one frame: 4K, upright or lying."""
    seconds: float = 15.0
    """Length that is read; no film is returned longer than this."""
    grace: float = 0.5
    """Seconds beyond the length that are cut without a word: encoders often add a frame or two."""
    frames: int = 2_000
    """Frames in the file, read or skipped: 15 s at 120 frames per second, and some."""
    held: int = 3_072 * MIB
    """Bytes of the frames that are returned, half of what they take for a moment. 15 s of 1080p at 24 fps: 2.1 GiB."""
