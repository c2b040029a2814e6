"""Pictures brought to an exact size: scaled with their proportions kept, then cropped around the centre.

One resampling does both, since the crop is a box with fractional edges in the source. A picture that grows is
interpolated (bicubic, which keeps small drawn shapes smooth); one that shrinks is filtered (Lanczos over the whole
area that a pixel comes from), so fine patterns do not shimmer.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from model.clip import Frames, Picture, Size
from model.errors import BadSize


def fit(frames: Frames, size: Size) -> Frames:
    """Frames uint8 [T,H,W,3] as [T,size.height,size.width,3]. Raises BadSize for a side below one pixel."""
    _refuse_empty(size)
    fitted = np.empty((len(frames), size.height, size.width, 3), np.uint8)
    for number, picture in enumerate(frames):
        fitted[number] = fit_picture(picture, size)
    return fitted


def fit_picture(picture: Picture, size: Size) -> Picture:
    """A picture uint8 [H,W,3] as [size.height,size.width,3]. Raises BadSize for a side below one pixel."""
    height, width = picture.shape[:2]
    _refuse_empty(size)
    _refuse_empty(Size(width, height))
    if (width, height) == (size.width, size.height):
        return picture.copy()
    box = crop_box(Size(width, height), size)
    grows = size.width * size.height > (box[2] - box[0]) * (box[3] - box[1])
    way = Image.Resampling.BICUBIC if grows else Image.Resampling.LANCZOS
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize((size.width, size.height), way, box=box)
    return np.array(resized, np.uint8)


def crop_box(source: Size, wanted: Size) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the largest centred box in `source`, in pixels, with the proportions of `wanted`."""
    if wanted.width * source.height >= wanted.height * source.width:
        width, height = float(source.width), wanted.height * source.width / wanted.width
    else:
        width, height = wanted.width * source.height / wanted.height, float(source.height)
    left, top = (source.width - width) / 2, (source.height - height) / 2
    return left, top, min(left + width, source.width), min(top + height, source.height)


def _refuse_empty(size: Size) -> None:
    if size.width < 1 or size.height < 1:
        raise BadSize(f"A picture of {size} has no pixels. Ask for at least one pixel a side.")
