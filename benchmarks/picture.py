"""Bars as SVG: what a table of figures looks like. Written by hand, since a page of rectangles needs no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

__all__ = ["Bar", "Part", "page"]

WIDTH: Final = 900  # pixels
LEFT: Final = 250  # for names
RIGHT: Final = 130  # for figures
HIGH, GAP, HEAD = 22, 8, 46  # of a bar, between bars, and above a chart
INKS: Final = (
    "#2b6c99", "#c2410c", "#4d7c0f", "#7c3aed", "#b45309", "#0f766e", "#be185d", "#475569", "#a16207", "#1d4ed8",
    "#9f1239", "#64748b",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of one or more parts, and what is written behind it."""

    name: str
    parts: tuple[Part, ...]
    told: str = ""

    @property
    def value(self) -> float:
        """Its length."""
        return sum(part.value for part in self.parts)


def page(charts: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Charts one below the other, each with a scale of its own."""
    drawn, top = [], 8
    for title, bars in charts:
        lines, top = _chart(title, bars, top)
        drawn += lines
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
    ground = f'<rect width="{WIDTH}" height="{top}" fill="#fbfaf7"/>'
    style = "<style>text{font:13px sans-serif;fill:#20242c}.t{font-size:16px;font-weight:bold}</style>"
    return "\n".join([head, style, ground, *drawn, "</svg>"]) + "\n"


def _chart(title: str, bars: Sequence[Bar], top: int) -> tuple[list[str], int]:
    names = list(dict.fromkeys(part.name for bar in bars for part in bar.parts if part.name))
    inks = {name: INKS[number % len(INKS)] for number, name in enumerate(names)}
    most = max((bar.value for bar in bars), default=0.0) or 1.0
    lines = [f'<text class="t" x="8" y="{top + 20}">{escape(title)}</text>']
    top += HEAD
    for bar in bars:
        lines += _bar(bar, top, (WIDTH - LEFT - RIGHT) / most, inks)
        top += HIGH + GAP
    return _legend(names, inks, lines, top)


def _bar(bar: Bar, top: int, scale: float, inks: dict[str, str]) -> list[str]:
    lines, x = [f'<text x="8" y="{top + 16}">{escape(bar.name)}</text>'], float(LEFT)
    for part in bar.parts:
        wide = part.value * scale
        tip = f"<title>{escape(part.name or bar.name)}: {part.value:.3g}</title>"
        ink = inks.get(part.name, INKS[0])
        lines.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{HIGH}" fill="{ink}">{tip}</rect>')
        x += wide
    return [*lines, f'<text x="{x + 6:.1f}" y="{top + 16}">{escape(bar.told)}</text>']


def _legend(names: list[str], inks: dict[str, str], lines: list[str], top: int) -> tuple[list[str], int]:
    if not names:
        return lines, top + GAP
    for number, name in enumerate(names):
        x, y = LEFT + 160 * (number % 4), top + 20 * (number // 4)
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{inks[name]}"/>')
        lines.append(f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>')
    return lines, top + 20 * (1 + (len(names) - 1) // 4) + GAP
