"""Contact sheets: one picture of a film for a person."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from model.clip import Film
from model.errors import BadLength, Refused
from model.media import Event, Sheet, _text, contact_sheet, several


def film_of(frames=16, width=64, height=64, loud=0.5, rate=8_000) -> Film:
    shades = np.linspace(40, 220, frames).astype(np.uint8)
    pictures = np.broadcast_to(shades[:, None, None, None], (frames, height, width, 3)).copy()
    tone = loud * np.sin(np.arange(frames * rate // 8) / rate * 2 * np.pi * 1_000)
    return Film(frames=pictures, fps=Fraction(8), sound=tone.astype(np.float32), rate=rate)


@pytest.fixture
def page(tmp_path):
    return tmp_path / "sheet.png"


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (80, 48), (48, 80), (1280, 720), (2, 200), (200, 2)])
def test_a_sheet_of_any_size_is_1280_wide_and_can_be_looked_at(page, width, height):
    contact_sheet(film_of(width=width, height=height), "a red circle bounces", page)

    assert pixels(page).shape[1] == 1_280
    assert 350 < pixels(page).shape[0] < 900


@pytest.mark.parametrize("frames", [1, 3, 7, 120])
def test_a_film_of_any_length_has_a_sheet(page, frames):
    contact_sheet(film_of(frames=frames), "", page)

    assert page.stat().st_size > 2_000


def test_frames_stand_in_order(page):
    contact_sheet(film_of(), "", page)

    row = pixels(page)[120, 80:1250]
    greys = [int(shade) for shade in row[(row[:, 0] == row[:, 1]) & (row[:, 1] == row[:, 2])][:, 0]]
    assert greys == sorted(greys)
    assert len(set(greys)) == 8


def test_the_same_film_gives_the_same_sheet(page, tmp_path):
    for path in (page, tmp_path / "again.png"):
        contact_sheet(film_of(), "a face sings", path, [Event(0.5, "do")])

    assert page.read_bytes() == (tmp_path / "again.png").read_bytes()


def test_silence_and_sound_look_different(page, tmp_path):
    contact_sheet(film_of(loud=0), "", page)
    contact_sheet(film_of(), "", tmp_path / "loud.png")

    assert (pixels(page) != pixels(tmp_path / "loud.png")).any(axis=2).mean() > 0.05


def test_an_event_is_a_line_at_its_time(page):
    contact_sheet(film_of(loud=0), "", page, [Event(1.0, "contact"), Event(-1, "before"), Event(99, "after")])

    marked = (pixels(page) == (0xC2, 0x41, 0x0C)).all(axis=2).sum(axis=0)
    assert marked.argmax() == 76 + (1_280 - 76 - 28) // 2
    assert (marked > 150).sum() == 1


def test_a_hundred_events_find_a_place_or_only_a_line(page):
    contact_sheet(film_of(), "", page, [Event(number / 50, f"note {number}") for number in range(100)])

    assert pixels(page).shape[0] < 900


@pytest.mark.parametrize(
    "caption",
    [
        "赤い円が紺色の背景で弾む",
        "دائرة حمراء تقفز",
        "עיגול אדום קופץ",
        "🎉🏳️‍🌈👩‍👩‍👧 emoji",
        "lone \ud800 surrogate, \0 zero, \x1b[31m escape, \u202e override",
        "e\u0301" * 300,
        "\n\n \t ",
        "word " * 4_000,
        "x" * 20_000,
    ],
    ids=["japanese", "arabic", "hebrew", "emoji", "broken", "combining", "blank", "words", "letters"],
)
def test_any_caption_is_drawn(page, caption):
    contact_sheet(film_of(), caption, page, [Event(0.3, caption)])

    assert pixels(page).shape[0] < 900


def test_letters_without_a_font_are_written_out(monkeypatch):
    monkeypatch.setattr(_text, "fonts", lambda size, own=_text.fonts: own(size)[:1])

    assert _text.spelled("a 円 🎉\nb\u200f", 20) == "a \\u5186 [party popper] b"


def test_long_captions_end_with_dots():
    lines = _text.wrapped("word " * 400, 20, 300, 3)

    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(_text.length(line, 20) <= 300 for line in lines)


def test_several_films_stand_below_each_other(page, tmp_path):
    sheets = [Sheet(film_of(), "one"), Sheet(film_of(width=80, height=48), "two", (Event(0.5, "contact"),))]
    several(sheets, page)

    heights = []
    for number, sheet in enumerate(sheets):
        contact_sheet(sheet.film, sheet.caption, tmp_path / f"{number}.png", sheet.events)
        heights.append(pixels(tmp_path / f"{number}.png").shape[0])
    assert pixels(page).shape == (sum(heights), 1_280, 3)


def test_nothing_to_show_is_refused(page):
    with pytest.raises(BadLength):
        several([], page)
    with pytest.raises(BadLength):
        contact_sheet(film_of(frames=0), "nothing", page)
    assert not page.exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(Refused, match="no folder"):
        contact_sheet(film_of(), "", tmp_path / "absent" / "sheet.png")
