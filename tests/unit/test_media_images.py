"""Images as files, and pictures fitted to a size."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.clip import Size
from model.errors import BadMedia, BadSize
from model.media import ImageLimits, fit, fit_picture, read_image


def saved(image: Image.Image, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def picture(width=40, height=30) -> np.ndarray:
    """Red grows to the right, green downwards."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // width, rows * 255 // height, np.full_like(rows, 60)], axis=-1).astype(np.uint8)


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that states a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("form", "options", "error"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0}, 8),
        ("GIF", {}, 40),
    ],
)
def test_every_form_is_read_as_rgb(form, options, error):
    read = read_image(saved(Image.fromarray(picture()), form, **options))

    assert read.shape == (30, 40, 3)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - picture()).max() <= error


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_a_white_png_is_white(mode):
    white = Image.new("L", (8, 6), 255).convert(mode) if mode != "I;16" else Image.new("I;16", (8, 6), 65_535)

    assert (read_image(saved(white)) == 255).all()


def test_a_16_bit_grey_ramp_stays_a_ramp():
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16)[None]

    assert (read_image(saved(Image.fromarray(ramp)))[0, :, 0] == ramp[0] >> 8).all()


def test_cmyk_becomes_rgb():
    read = read_image(saved(Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK"), "JPEG", quality=95))

    assert np.abs(read.astype(int) - [200, 30, 30]).max() < 8


def test_transparent_parts_become_black():
    half = np.zeros((4, 4, 4), np.uint8)
    half[..., 0], half[:2, :, 3], half[2, :, 3] = 200, 255, 128

    read = read_image(saved(Image.fromarray(half)))

    assert read[:, 0, 0].tolist() == [200, 200, 100, 0]
    assert not read[..., 1:].any()


def test_a_transparent_colour_of_a_palette_becomes_black():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([250, 240, 230])

    assert not read_image(saved(image, "GIF", transparency=0)).any()


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (8, 1), (3, 2)])
def test_an_image_is_turned_upright(orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert (read_image(saved(Image.fromarray(picture()), exif=exif)) == np.rot90(picture(), turns)).all()


def test_a_broken_orientation_is_passed_over():
    body = saved(Image.fromarray(picture()), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")

    assert read_image(body).shape == (30, 40, 3)


def test_the_first_frame_of_a_moving_gif_is_the_image():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]

    assert read_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0].tolist() == [255, 0, 0]


def test_the_name_of_a_file_does_not_matter(tmp_path):
    (tmp_path / "picture.txt").write_bytes(saved(Image.fromarray(picture())))

    assert (read_image(tmp_path / "picture.txt") == picture()).all()


def test_a_text_named_png_is_called_a_text(tmp_path):
    (tmp_path / "cat.png").write_text("a photograph of a cat, 猫 " * 200)

    with pytest.raises(BadMedia, match=r"cat\.png holds text"):
        read_image(tmp_path / "cat.png")


def test_an_image_of_10_000_pixels_a_side_is_one_sentence():
    body = saved(Image.new("1", (10_000, 10_000)))

    with pytest.raises(
        BadMedia, match="is 10000x10000 pixels, and at most 8192 a side and 40 million in all"
    ) as refusal:
        read_image(body)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 1), (8_192, 8_192), (2**31 - 1, 2**31 - 1), (0, 0)])
def test_a_bomb_is_refused_before_it_is_unpacked(size):
    with pytest.raises(BadMedia):
        read_image(header_only_png(*size))


def test_limits_can_be_set():
    body = saved(Image.fromarray(picture()))

    for limits in (ImageLimits(bytes=100), ImageLimits(pixels=1_199), ImageLimits(side=39)):
        with pytest.raises(BadMedia, match="Make it smaller"):
            read_image(body, limits)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_an_image_that_breaks_off_is_refused(form):
    body = saved(Image.fromarray(picture(200, 150)), form)

    for share in (0.02, 0.3, 0.8):
        with pytest.raises(BadMedia):
            read_image(body[: int(len(body) * share)])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "is empty"),
        (b"\0\0\0\x18ftypisom", "is a film, not an image"),
        (b"\x7fELF\x02\x01\x01", "not an image that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "holds text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "holds text"),
    ],
)
def test_what_is_not_an_image_is_named(body, sentence):
    with pytest.raises(BadMedia, match=sentence):
        read_image(body)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(BadMedia, match=r"no file .*absent\.png"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(BadMedia, match="is not a file"):
        read_image(tmp_path)


HEADS = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0", b"RIFF\x20\0\0\0WEBPVP8 ", b"BM", b"GIF89a", b""]
REAL = {form: saved(Image.fromarray(picture()), form) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP")}


@settings(max_examples=50)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=2_000))
def test_any_bytes_are_an_image_or_a_refusal(head, rest):
    with contextlib.suppress(BadMedia):
        assert read_image(head + rest).dtype == np.uint8


@settings(max_examples=80)
@given(
    form=st.sampled_from(sorted(REAL)),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_an_image_with_altered_bytes_is_an_image_or_a_refusal(form, edits):
    body = bytearray(REAL[form])
    for place, value in edits:
        body[int(place * len(body))] = value
    with contextlib.suppress(BadMedia):
        assert read_image(bytes(body)).ndim == 3


sides = st.integers(1, 90)


@settings(max_examples=60)
@given(width=sides, height=sides, wanted=st.builds(Size, sides, sides))
def test_every_picture_fits_every_size_exactly(width, height, wanted):
    flat = np.full((2, height, width, 3), 77, np.uint8)

    fitted = fit(flat, wanted)

    assert fitted.shape == (2, wanted.height, wanted.width, 3)
    assert (fitted == 77).all()


def test_a_ribbon_fits_too():
    assert fit_picture(np.zeros((1, 8_000, 3), np.uint8), Size(1, 600)).shape == (600, 1, 3)


def test_the_same_size_changes_nothing():
    assert (fit_picture(picture(), Size(40, 30)) == picture()).all()


def test_what_is_cropped_is_cropped_on_both_sides():
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255

    assert (fit_picture(stripes, Size(20, 20)) == 255).all()


def test_there_and_back_is_nearly_the_same():
    there = fit_picture(picture(64, 64), Size(640, 640))

    assert np.abs(fit_picture(there, Size(64, 64)).astype(int) - picture(64, 64)).max() <= 4


def test_fitting_films_and_pictures_is_the_same():
    both = np.stack([picture(), picture()[::-1]])

    assert (fit(both, Size(17, 31)) == np.stack([fit_picture(each, Size(17, 31)) for each in both])).all()


@pytest.mark.parametrize("size", [Size(0, 4), Size(4, -1)])
def test_a_size_without_pixels_is_refused(size):
    with pytest.raises(BadSize):
        fit_picture(picture(), size)
    with pytest.raises(BadSize):
        fit(picture()[None], size)
