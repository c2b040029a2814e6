"""One picture that tells a person what a film looks and sounds like.

Frames stand side by side above the waveform and the spectrogram, all on one time axis, so what is seen and what is
heard at a moment lie above each other. A frame stands in the column whose middle it shows, and a mark points from it
to its exact time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.clip import Film, Size, Sound
from model.errors import BadLength
from model.media import _text
from model.media._files import write_whole

WIDTH = 1_280  # pixels of every sheet
LEFT, RIGHT, EDGE = 76, 28, 28  # margins in pixels
INNER = WIDTH - LEFT - RIGHT
FRAME = Size(INNER, 300)  # the largest room for one frame
ROW = 150  # pixels: the height that a row of frames aims at
CAPTION, SMALL = 22, 13  # letter heights in pixels
CAPTION_LINES = 3
LANES = 4  # rows of event labels
WAVE, SPECTRUM = 120, 96  # pixels high
WINDOW = 512  # samples of one spectrum
DEPTH = 70.0  # decibels below the loudest that are still shown
SILENT = 1e-3  # peak below which a film is called silent

PAPER, PANEL, INK, GREY, LINE, SOUND, MARK = "#fbfaf7", "#ffffff", "#20242c", "#6d7480", "#d9d7d0", "#2b6c99", "#c2410c"
RAMP = ((0, (13, 13, 28)), (0.35, (72, 26, 108)), (0.65, (202, 72, 66)), (0.85, (250, 170, 60)), (1, (252, 250, 200)))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a moment of a film."""

    seconds: float
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A film with its caption and the events to mark."""

    film: Film
    caption: str
    events: tuple[Event, ...] = ()


def contact_sheet(film: Film, caption: str, path: Path, events: Sequence[Event] = ()) -> None:
    """Write a PNG, 1,280 pixels wide, of the film's frames above its sound, with `events` marked in time.

    Any caption is drawn; letters that no font at hand has are written out. Raises BadLength for a film without a
    frame, and what writing a file raises: Refused, Unavailable.
    """
    several([Sheet(film, caption, tuple(events))], path)


def several(sheets: Sequence[Sheet], path: Path) -> None:
    """Write one PNG with the sheets below each other. Raises as `contact_sheet` does; BadLength for no sheet at all."""
    if not sheets:
        raise BadLength("There is no film to show on a sheet. Give at least one.")
    drawn = [_draw(sheet) for sheet in sheets]
    whole = Image.new("RGB", (WIDTH, sum(each.height for each in drawn)), PAPER)
    top = 0
    for number, each in enumerate(drawn):
        whole.paste(each, (0, top))
        if number:
            ImageDraw.Draw(whole).line([(0, top), (WIDTH, top)], fill=LINE, width=2)
        top += each.height
    out = io.BytesIO()
    whole.save(out, "PNG", optimize=False)
    write_whole(path, out.getvalue())


def _draw(sheet: Sheet) -> Image.Image:
    if len(sheet.film.frames) == 0:
        raise BadLength("A film without a single frame cannot be shown. Give one with at least one frame.")
    caption = _text.wrapped(sheet.caption, CAPTION, INNER, CAPTION_LINES)
    frames = _chosen(sheet.film)
    lanes = _lanes(sheet.events, sheet.film.seconds)
    used = max([lane + 1 for _, lane, _ in lanes], default=0)
    rows = _Rows(caption=len(caption), frame=frames[0][1].height, lanes=used)
    page = Image.new("RGB", (WIDTH, rows.bottom), PAPER)
    pen = ImageDraw.Draw(page)
    _draw_title(pen, caption, sheet.film, rows)
    _draw_frames(page, pen, frames, sheet.film, rows)
    _draw_wave(pen, sheet.film.sound, rows)
    _draw_spectrum(page, pen, sheet.film, rows)
    _draw_axis(pen, sheet.film.seconds, rows)
    _draw_events(pen, lanes, sheet.film.seconds, rows)
    return page


class _Rows:
    """Where each part of a sheet begins, in pixels from its top."""

    def __init__(self, *, caption: int, frame: int, lanes: int) -> None:
        self.caption = EDGE - 8
        self.facts = self.caption + caption * (CAPTION + 8) + 2
        self.frames = self.facts + SMALL + 16
        self.times = self.frames + frame + 3
        self.marks = self.times + SMALL + 8
        self.lanes = self.marks + 12
        self.wave = self.lanes + lanes * (SMALL + 6) + 4
        self.spectrum = self.wave + WAVE + 6
        self.axis = self.spectrum + SPECTRUM
        self.bottom = self.axis + SMALL + 12 + EDGE


def _chosen(film: Film) -> list[tuple[int, Image.Image]]:
    """Frames for equal parts of the film, each the one at its part's middle, with their numbers, enlarged."""
    count, height, width, _ = film.frames.shape
    columns = _columns(count, INNER / (ROW * width / height + 8))
    room = Size(INNER // columns - 8, FRAME.height)
    scale = min(room.width / width, room.height / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    numbers = [int((column + 0.5) * count / columns) for column in range(columns)]
    return [(number, Image.fromarray(film.frames[number]).resize(size)) for number in numbers]


def _columns(count: int, ideal: float) -> int:
    """How many frames stand side by side: about `ideal`, and if possible at equal steps through all `count` frames."""
    near = min(max(round(ideal), 4), 12)
    even = [each for each in range(max(near - 2, 4), min(near + 2, 12) + 1) if count % each == 0]
    return min(min(even, key=lambda each: abs(each - near), default=near), count)


def _x(seconds: float, whole: float) -> float:
    return LEFT + INNER * seconds / whole


def _draw_title(pen: ImageDraw.ImageDraw, caption: list[str], film: Film, rows: _Rows) -> None:
    for number, line in enumerate(caption):
        _text.write(pen, LEFT, rows.caption + number * (CAPTION + 8), line, CAPTION, INK)
    _, height, width, _ = film.frames.shape
    facts = (
        f"{width}x{height} pixels, {len(film.frames)} frames at {float(film.fps):g} per second, {film.seconds:.2f} s,"
        f" sound at {film.rate / 1000:g} kHz"
    )
    _text.write(pen, LEFT, rows.facts, facts, SMALL, GREY)


def _draw_frames(
    page: Image.Image, pen: ImageDraw.ImageDraw, frames: list[tuple[int, Image.Image]], film: Film, rows: _Rows
) -> None:
    column = INNER / len(frames)
    for place, (number, picture) in enumerate(frames):
        middle = LEFT + (place + 0.5) * column
        page.paste(picture, (round(middle - picture.width / 2), rows.frames))
        seconds = float(number / film.fps)
        time = f"{seconds:.2f} s"
        _text.write(pen, middle - _text.length(time, SMALL) / 2, rows.times, time, SMALL, INK)
        exact = _x(seconds, film.seconds)
        pen.line([(middle, rows.marks), (exact, rows.marks + 9)], fill=GREY, width=1)
        pen.polygon([(exact - 3, rows.marks + 8), (exact + 3, rows.marks + 8), (exact, rows.marks + 13)], fill=GREY)


def _draw_wave(pen: ImageDraw.ImageDraw, sound: Sound, rows: _Rows) -> None:
    """Lowest and highest sample of each pixel column, drawn as high as there is room; the scale says the peak."""
    pen.rectangle([LEFT, rows.wave, LEFT + INNER, rows.wave + WAVE], fill=PANEL, outline=LINE)
    sound = np.nan_to_num(sound)
    peak = float(np.abs(sound).max(initial=0))
    middle, reach = rows.wave + WAVE / 2, WAVE / 2 - 6
    pen.line([(LEFT, middle), (LEFT + INNER, middle)], fill=LINE)
    _label(pen, "sound", rows.wave + 2)
    _label(pen, f"peak {peak:.2f}" if peak >= SILENT else "silent", rows.wave + SMALL + 8)
    if peak < SILENT:
        return
    for column, (low, high) in enumerate(_extremes(sound, INNER)):
        x = LEFT + column
        pen.line([(x, middle - high / peak * reach), (x, middle - low / peak * reach)], fill=SOUND)


def _extremes(sound: Sound, columns: int) -> list[tuple[float, float]]:
    edges = np.linspace(0, len(sound), columns + 1).astype(int)
    parts = [sound[start : max(end, start + 1)] for start, end in pairwise(edges)]
    return [(float(part.min()), float(part.max())) for part in parts if len(part)]


def _draw_spectrum(page: Image.Image, pen: ImageDraw.ImageDraw, film: Film, rows: _Rows) -> None:
    levels = _spectrum(film.sound)
    colours = np.stack([np.interp(levels, [at for at, _ in RAMP], [c[band] for _, c in RAMP]) for band in range(3)], -1)
    strip = Image.fromarray(colours.astype(np.uint8)).resize((INNER, SPECTRUM), Image.Resampling.BILINEAR)
    page.paste(strip, (LEFT, rows.spectrum))
    _label(pen, f"{film.rate / 2000:g} kHz", rows.spectrum)
    _label(pen, "0", rows.axis - SMALL - 4)


def _spectrum(sound: Sound) -> NDArray[np.float64]:
    """Loudness [frequencies, times], 0..1 over `DEPTH` decibels, high frequencies first, centred on each time."""
    padded = np.pad(np.nan_to_num(sound).astype(np.float64), WINDOW // 2)
    columns = min(INNER, max(len(sound) // 64, 1))
    starts = np.linspace(0, len(padded) - WINDOW, columns).astype(int)
    windows = padded[starts[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)).T[::-1]
    loudest = power.max()
    if loudest < SILENT:
        return np.zeros_like(power)
    level: NDArray[np.float64] = np.clip(1 + 20 * np.log10(power / loudest + 1e-9) / DEPTH, 0, 1)
    return level


def _draw_axis(pen: ImageDraw.ImageDraw, whole: float, rows: _Rows) -> None:
    step = _tick(whole)
    for number in range(int(whole / step + 1e-6) + 1):
        x = _x(number * step, whole)
        pen.line([(x, rows.axis), (x, rows.axis + 6)], fill=INK)
        label = f"{number * step:.10g} s"
        _text.write(pen, x - _text.length(label, SMALL) / 2, rows.axis + 7, label, SMALL, INK)


def _tick(whole: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that gives at most 15 steps, in seconds."""
    power = 10.0 ** math.floor(math.log10(whole / 15))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor * 15 >= whole * 0.999)


def _lanes(events: Sequence[Event], whole: float) -> list[tuple[Event, int, str]]:
    """Each event within the film, the lane where its label fits, and the label; no label where no lane has room."""
    ends = [0.0] * LANES
    placed = []
    for event in sorted((each for each in events if 0 <= each.seconds <= whole), key=lambda each: each.seconds):
        label = _text.spelled(event.label[:40], SMALL)
        left = _label_left(event, label, whole)
        lane = next((lane for lane, end in enumerate(ends) if end + 8 <= left), None)
        if lane is not None:
            ends[lane] = left + _text.length(label, SMALL)
        placed.append((event, lane or 0, label if lane is not None else ""))
    return placed


def _label_left(event: Event, label: str, whole: float) -> float:
    return min(_x(event.seconds, whole) + 4, WIDTH - 4 - _text.length(label, SMALL))


def _draw_events(pen: ImageDraw.ImageDraw, lanes: list[tuple[Event, int, str]], whole: float, rows: _Rows) -> None:
    for event, lane, label in lanes:
        x, top = _x(event.seconds, whole), rows.lanes + lane * (SMALL + 6)
        pen.line([(x, top + 4 if label else rows.wave), (x, rows.axis)], fill=MARK)
    for event, lane, label in lanes:
        left, top = _label_left(event, label, whole), rows.lanes + lane * (SMALL + 6)
        pen.rectangle([left - 1, top + 1, left + _text.length(label, SMALL), top + SMALL + 3], fill=PAPER)
        _text.write(pen, left, top + 1, label, SMALL, MARK)


def _label(pen: ImageDraw.ImageDraw, label: str, top: float) -> None:
    _text.write(pen, LEFT - 8 - _text.length(label, SMALL), top, label, SMALL, GREY)
