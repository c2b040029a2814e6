"""Any text drawn with the fonts at hand.

Pillow's own font has Latin letters only. Other scripts are drawn with a font of the system if one has the letter. A
letter that no font has is written out: a symbol by its Unicode name in brackets, any other letter as its number.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (  # looked for by file name in the system's font folders, in this order
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "NotoSansJP-Regular.otf",
    "ipagp.ttf",
    "fonts-japanese-gothic.ttf",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "Hiragino Sans GB.ttc",
    "YuGothM.ttc",
    "msgothic.ttc",
    "Arial Unicode.ttf",
    "segoeui.ttf",
)
LONGEST = 600  # letters of a text that are looked at; a sheet has no room for more
NOWHERE = "\U0010ffff"  # a code point that no font has


@lru_cache(maxsize=32)
def fonts(size: int) -> tuple[Font, ...]:
    """Pillow's own font and those of `SYSTEM_FONTS` that are installed, at `size` pixels."""
    found: list[Font] = [ImageFont.load_default(size)]
    for name in SYSTEM_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return tuple(found)


def spelled(text: str, size: int) -> str:
    """The text with everything replaced that cannot be drawn, on one line."""
    return " ".join("".join(_spelled(letter, size) for letter in text[:LONGEST]).split()) + "…" * (len(text) > LONGEST)


def wrapped(text: str, size: int, width: float, most: int) -> list[str]:
    """The spelled text in at most `most` lines of `width` pixels, broken at spaces where there are any."""
    lines: list[str] = []
    rest = spelled(text, size)
    while rest and len(lines) < most:
        count = _fitting(rest, size, width)
        if count < len(rest) and (space := rest.rfind(" ", 0, count + 1)) > 0:
            count = space
        lines.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    if rest:
        lines[-1] = lines[-1][: _fitting(lines[-1], size, width - length("…", size))].rstrip() + "…"
    return lines


def length(text: str, size: int) -> float:
    """Pixels from the left end of a spelled line to its right end."""
    return sum(font.getlength(run) for font, run in _runs(text, size))


def write(pen: ImageDraw.ImageDraw, left: float, top: float, text: str, size: int, fill: str) -> None:
    """Draw a spelled line with its baseline at top + size."""
    for font, run in _runs(text, size):
        pen.text((left, top + size), run, fill=fill, font=font, anchor="ls")
        left += font.getlength(run)


def _spelled(letter: str, size: int) -> str:
    category = unicodedata.category(letter)
    if category == "Cf" or "\ufe00" <= letter <= "\ufe0f":  # marks of direction and style without a shape
        return ""
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    if category[0] != "C" and any(_has(font, letter) for font in fonts(size)):
        return letter
    if category in ("So", "Sk") and (name := unicodedata.name(letter, "")):
        return f"[{name.lower()}]"
    return f"\\u{ord(letter):04x}"


def _runs(text: str, size: int) -> list[tuple[Font, str]]:
    """The text in pieces that one font can draw; a text that one font covers stays whole, so its direction is right."""
    for font in fonts(size):
        if all(letter == " " or _has(font, letter) for letter in text):
            return [(font, text)]
    runs: list[tuple[Font, str]] = []
    for letter in text:
        able = [font for font in fonts(size) if _has(font, letter)]
        if runs and (letter == " " or runs[-1][0] in able):
            runs[-1] = (runs[-1][0], runs[-1][1] + letter)
        else:
            runs.append((able[0] if able else fonts(size)[0], letter))
    return runs


@lru_cache(maxsize=4096)
def _has(font: Font, letter: str) -> bool:
    """Whether the font draws this letter as anything but its box for missing letters."""
    return bytes(font.getmask(letter)) != _missing(font)


@lru_cache(maxsize=64)
def _missing(font: Font) -> bytes:
    return bytes(font.getmask(NOWHERE))


def _fitting(text: str, size: int, width: float) -> int:
    """How many letters from the start fit into `width` pixels; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(text[:middle], size) <= width else (low, middle - 1)
    return low
