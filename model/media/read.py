"""Images and films that people give us, read within limits or refused in one sentence.

What may surprise:

* The first bytes say what a file is; its name is never asked. Only the formats listed here are tried at all, so a
  playlist or a page of text cannot make a decoder open another file or an address.
* Sizes are checked before pixels are decoded. Whatever the bytes are, the answer is a result or `BadMedia`.
* Transparent parts become black, the ground on which the model's own worlds begin. Colour profiles are not applied.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin
from PIL import WebPImagePlugin as WebP

from model.clip import Film, Picture, Size
from model.errors import BadMedia, BadSize
from model.media import _demux
from model.media._container import claims_too_much, is_cut_off
from model.media._files import read_whole
from model.media.limits import MIB, FilmLimits, ImageLimits
from model.media.sound import HIGHEST, LOWEST

Opener = Callable[[io.BytesIO], ImageFile.ImageFile]

IMAGES: dict[str, Opener] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebP.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "gif": GifImagePlugin.GifImageFile,  # its first frame
}
FILMS = {"mp4": "mp4", "matroska": "matroska", "gif": "gif", "avi": "avi"}  # FFmpeg's names of its demuxers
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def read_image(source: Path | bytes, limits: ImageLimits | None = None) -> Picture:
    """A PNG, JPEG, WebP, BMP or GIF (first frame) as RGB uint8 [H,W,3], turned upright as its EXIF orientation says.

    Takes a path or the file's bytes. Grey, palette, CMYK and 16-bit images become 8-bit RGB. Raises BadMedia, and
    nothing else, for a missing, foreign, damaged or too large file.
    """
    limits = limits or ImageLimits()
    body, name = _body(source, limits.bytes, "image")
    kind = _kind(body)
    if kind not in IMAGES:
        raise _foreign(name, body, kind, "an image", "PNG, JPEG, WebP, BMP or GIF")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # its remarks on odd files would reach the terminal
            return _decoded(IMAGES[kind], body, name, limits)
    except BadMedia:
        raise
    except Exception as fault:  # decoders raise whatever a damaged file leads them to
        raise BadMedia(f"{name} is a damaged or incomplete {kind.upper()}. Save it again, or send another.") from fault


def read_film(
    source: Path | bytes,
    *,
    fps: Fraction,
    rate: int,
    size: Size | Callable[[Size], Size] | None = None,
    limits: FilmLimits | None = None,
    cut: bool = False,
) -> Film:
    """The first picture track of an MP4, MOV, WebM, Matroska, AVI or GIF, and its first sound track if it has one.

    The film has `fps` frames per second, each the one on display in the middle of its time, whatever the source's
    rate. With `size`, or what `size` makes of the size that is shown, frames are scaled and centre-cropped. Sound is
    the mean of the channels at `rate` samples per second, silent where the source is, and exactly as long as the
    picture. With `cut` a longer film gives its first `limits.seconds`. Raises BadMedia, and nothing else, for a
    missing, foreign, damaged, too large or too long file; BadSize for a size without pixels; ValueError for an
    impossible `fps` or `rate`.
    """
    limits = limits or FilmLimits()
    if not 0 < fps <= 240 or not LOWEST <= rate <= HIGHEST:
        raise ValueError(f"{fps} frames per second or {rate} samples per second cannot be made.")
    if isinstance(size, Size) and min(size.width, size.height) < 1:
        raise BadSize(f"A film of {size} has no pixels. Ask for at least one pixel a side.")
    body, name = _body(source, limits.bytes, "film")
    kind = _kind(body)
    if kind not in FILMS:
        raise _foreign(name, body, kind, "a film", "MP4, MOV, WebM, Matroska, AVI or GIF")
    if is_cut_off(kind, body):
        raise BadMedia(f"{name} breaks off before its end. Send the whole file.")
    if claims_too_much(kind, body):
        raise BadMedia(f"{name} claims to have millions of frames. Cut it, or save it again as MP4 (H.264).")
    fixed = size
    wanted = _demux.Wanted(fps=fps, rate=rate, size=(lambda _: fixed) if isinstance(fixed, Size) else fixed, cut=cut)
    try:
        return _demux.film(body, FILMS[kind], name, wanted, limits)
    except BadMedia:
        raise
    except Exception as fault:  # decoders raise whatever a damaged file leads them to
        raise BadMedia(f"{name} is damaged, or not a film that can be read. Save it again as MP4 (H.264).") from fault


def _body(source: Path | bytes, limit: int, what: str) -> tuple[bytes, str]:
    """The bytes, and how a refusal names them."""
    name = f"The {what}" if isinstance(source, bytes) else f"The {what} {source.name}"
    body = source if isinstance(source, bytes) else read_whole(source, limit, what)
    if len(body) > limit:
        raise BadMedia(f"{name} has more than {limit / MIB:g} MiB. Make it smaller and send it again.")
    if not body:
        raise BadMedia(f"{name} is empty. Check that it was saved.")
    return body, name


def _kind(body: bytes) -> str | None:
    """What the first bytes say the file is, or None."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if body.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if body.startswith(b"BM"):
        return "bmp"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if body.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if body.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(body[8:12])
    return "mp4" if body[4:8] in MP4_BOXES else None


def _foreign(name: str, body: bytes, kind: str | None, wanted: str, formats: str) -> BadMedia:
    if kind is not None:
        return BadMedia(f"{name} is {'a film' if kind in FILMS else 'an image'}, not {wanted}. Send {formats}.")
    if _is_text(body):
        return BadMedia(f"{name} holds text, whatever its name says, and not {wanted}. Send {formats}.")
    return BadMedia(f"{name} is not {wanted} that can be read. Send {formats}.")


def _is_text(body: bytes) -> bool:
    head = body[:512]
    text = head.decode(errors="ignore")
    ends_well = len(text.encode()) > len(head) - 4  # the last letter may be cut in two
    return ends_well and all(letter.isprintable() or letter.isspace() for letter in text)


def _decoded(opener: Opener, body: bytes, name: str, limits: ImageLimits) -> Picture:
    with opener(io.BytesIO(body)) as opened:
        _refuse_large(name, Size(*opened.size), limits)
        opened.load()
        upright: Image.Image = opened
        with suppress(Exception):  # a broken EXIF block does not make the pixels unreadable
            upright = ImageOps.exif_transpose(opened)
        return _rgb(upright)


def _refuse_large(name: str, size: Size, limits: ImageLimits) -> None:
    if max(size.width, size.height) > limits.side or size.width * size.height > limits.pixels:
        raise BadMedia(
            f"{name} is {size} pixels, and at most {limits.side} a side and {limits.pixels / 1e6:g} million in all are"
            " read. Make it smaller and send it again."
        )


def _rgb(image: Image.Image) -> Picture:
    """Any of Pillow's modes as RGB uint8 [H,W,3], transparent parts over black."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey, which Pillow's own conversion would clip
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, (0, 0, 0, 255)), seen)
    return np.array(image.convert("RGB"), np.uint8)
