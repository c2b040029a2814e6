"""What others may do to a film, done to it beforehand: a hard encoding, at full and at half size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
import numpy as np

from model.clip import Frames, Size
from model.media import fit

__all__ = ["encoded", "rehearse"]

HARD: Final = "35"  # x264's constant quality at full size; above 30 everybody sees the damage
HALF: Final = "28"  # the same at half size
MOST: Final = 80_000  # pixels of all frames together that are rehearsed, from the middle of the film
LEAST: Final = 8  # frames that are rehearsed however large they are
BT709 = LIMITED = 1  # FFmpeg's numbers of the colours that films have here


def rehearse(frames: Frames, fps: Fraction) -> Iterator[Frames]:
    """The frames as they come out of each treatment."""
    height, width = (side // 2 * 2 for side in frames.shape[1:3])
    count = max(MOST // (height * width), LEAST)
    start = max((len(frames) - count) // 2, 0)
    part = frames[start : start + count, :height, :width]
    yield encoded(part, fps, HARD)
    if min(height, width) >= 4:
        yield encoded(fit(part, Size(width // 4 * 2, height // 4 * 2)), fps, HALF)


def encoded(frames: Frames, fps: Fraction, crf: str) -> Frames:
    """Frames with even sides through H.264 and back."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": crf, "threads": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out.seek(0)
    with av.open(out, "r") as container:
        shown = [
            frame.reformat(format="rgb24", src_colorspace=BT709, src_color_range=LIMITED).to_ndarray()
            for frame in container.decode(video=0)
        ]
    return np.stack(shown)
