"""A whole film as an MP4 file. See `model.media.encoder` for what is in it.

The file is made in memory and then put in its place in one step, so a full disk never leaves half a film.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from model.clip import Film
from model.errors import BadSize
from model.media._files import write_whole
from model.media.encoder import Encoder


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
    if film.frames.ndim != 4 or film.frames.shape[3] != 3 or film.frames.dtype != np.uint8:
        raise BadSize(f"Frames are uint8 [frames, height, width, 3], not {film.frames.dtype} {film.frames.shape}.")
    encoder = Encoder(film.size, film.fps, film.rate)
    encoder.add(film.frames)
    return encoder.finish(film.sound)
