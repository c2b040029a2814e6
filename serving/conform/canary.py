"""Words that are in no language, so that finding one means that a request got there.

All canaries of one cell begin with the same stem, which is drawn for the run. A search looks for the stem, as it is and
as programs write it who mean no harm: in capitals, UTF-16, hexadecimal and base64. A digest of what was sent counts as
a find too, since a digest of a short text can be guessed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

__all__ = ["Canaries", "Needles"]

STEM: Final = re.compile(r"eqc[0-9a-f]{12}")
NUMBER: Final = 5  # digits after the stem
_HEX64: Final = re.compile(rb"[0-9a-f]{64}", re.IGNORECASE)
_AFTER: Final = 40  # bytes after a find that may hold its number
PLAIN: Final = ("", "capitals", "UTF-16")  # ways in which the number after the stem can be read


@dataclass(slots=True)
class Canaries:
    """The canaries of one cell, as they are handed out. `stem` is `eqc` and 12 random hexadecimal digits."""

    stem: str
    _of: list[str] = field(default_factory=list)  # where each was sent
    _digests: dict[str, str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not STEM.fullmatch(self.stem):
            raise ValueError(f"{self.stem!r} is no stem of canaries.")

    def __len__(self) -> int:
        return len(self._of)

    def word(self, where: str) -> str:
        """A new canary; `where` says which field of which request takes it."""
        word = f"{self.stem}n{len(self._of):0{NUMBER}d}"
        self._of.append(where)
        return self.sent(word, where)

    def sent(self, text: str, where: str) -> str:
        """Notes a whole text that is sent, so that its digest is known; returns it."""
        self._digests[sha256(text.encode()).hexdigest()] = where
        return text

    def holds(self, body: bytes, where: str) -> bytes:
        """The same for a file."""
        self._digests[sha256(body).hexdigest()] = where
        return body

    def drawn(self, name: str, where: str) -> str:
        """The same for an id that the cell has drawn, which no other cell has any reason to know."""
        self._ids[name] = where
        return name

    def needles(self, *, own: bool = False) -> Needles:
        """What a search looks for; in the cell's `own` places its own ids, and digests of its films, may be."""
        return Needles(self.stem, tuple(self._of), dict(self._digests), {} if own else dict(self._ids))


@dataclass(frozen=True, slots=True)
class Needles:
    """Everything that betrays a canary of one cell."""

    stem: str
    of: tuple[str, ...]
    digests: dict[str, str]
    ids: dict[str, str]

    def found(self, hay: bytes) -> Iterator[str]:
        """Where each find in some bytes was sent to, once for each."""
        seen: set[str] = set()
        for told in (*self._words(hay), *self._hashes(hay), *self._named_ids(hay)):
            if told not in seen:
                seen.add(told)
                yield told

    def _words(self, hay: bytes) -> Iterator[str]:
        for way, needle in _spelled(self.stem):
            start = hay.find(needle)
            while start >= 0:
                yield self._named(way, hay[start : start + len(needle) + _AFTER])
                start = hay.find(needle, start + len(needle))

    def _named(self, way: str, hay: bytes) -> str:
        letters = hay.replace(b"\0", b"")[len(self.stem) :]  # of UTF-16, what ASCII has
        number = re.match(rb"n([0-9]{5})", letters, re.IGNORECASE) if way in PLAIN else None
        place = int(number[1]) if number else len(self.of)
        what = self.of[place] if place < len(self.of) else "a canary"
        return f"{what} in {way}" if way else what

    def _named_ids(self, hay: bytes) -> Iterator[str]:
        for name, where in self.ids.items():
            if name.encode() in hay:
                yield where

    def _hashes(self, hay: bytes) -> Iterator[str]:
        if not self.digests:
            return
        for found in _HEX64.finditer(hay):
            if (where := self.digests.get(found[0].decode().lower())) is not None:
                yield f"{where} as SHA-256"


def _spelled(stem: str) -> Iterator[tuple[str, bytes]]:
    """The stem in every way that is looked for."""
    plain = stem.encode()
    yield "", plain
    yield "capitals", stem.upper().encode()
    yield "UTF-16", stem.encode("utf-16-le")
    yield "UTF-16", stem.encode("utf-16-be")
    yield "hexadecimal", plain.hex().encode()
    yield "hexadecimal", plain.hex().upper().encode()
    for before in range(3):  # base64 spells a word in three ways, by where it begins
        coded = base64.b64encode(b"\0" * before + plain)
        first, last = -(-before * 8 // 6), (before + len(plain)) * 8 // 6  # letters that hold nothing but the word
        yield "base64", coded[first:last]
