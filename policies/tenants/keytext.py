"""What a client holds: `eqk_<cell>_<key id>_<secret><checksum>`, for example

    eqk_eu-par_6f1c0a4be2d97735_5qS…43 letters…t0LnQWk2
    ─── ────── ──────────────── ────────────────────────
    ours  |    16 hexadecimal   43 letters of secret (256 bits) and 6 of checksum
          the cell, and by its first two letters the jurisdiction

The prefix lets a scanner find a leaked key, and lets a cell tell a client of another cell where to go, both without a
look-up. The checksum is no secret: it tells a slip of the hand from a key that is not known.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NewType

from policies.tenants.cell import CELL, Cell

__all__ = ["Draw", "KeyId", "KeyText", "Mistyped", "Unreadable", "key_id", "mint", "read_key"]

KeyId = NewType("KeyId", str)  # `k-` and 16 hexadecimal digits; names a key in lists and logs, opens nothing
Draw = Callable[[int], bytes]  # that many random bytes; `secrets.token_bytes` outside tests

LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES: Final = 32
SECRET_LETTERS: Final = 43  # the least with 62**n >= 2**256
CHECK_LETTERS: Final = 6  # the least with 62**n >= 2**32
MOST_LETTERS: Final = 128  # of the whole; longer texts are not looked at
_KEY = re.compile(rf"eqk_({CELL})_([0-9a-f]{{16}})_([0-9A-Za-z]{{{SECRET_LETTERS}}})([0-9A-Za-z]{{{CHECK_LETTERS}}})")


class Unreadable(ValueError):
    """This is not a key of any cell."""


class Mistyped(Unreadable):
    """This looks like a key, and its checksum differs: letters were changed, lost or swapped."""


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as it was presented, after its form and its checksum were found right. It may still be wrong."""

    cell: Cell
    id: KeyId
    text: str = field(repr=False)  # all of it: this is what is digested, so that no part can be exchanged


def key_id(text: str) -> KeyId:
    """The id of a key as people and logs write it. Raises Unreadable."""
    if not re.fullmatch(r"k-[0-9a-f]{16}", text):
        raise Unreadable("The id of a key is k- and 16 hexadecimal digits; `equerry tenant key list` shows them.")
    return KeyId(text)


def mint(cell: Cell, draw: Draw) -> KeyText:
    """A new key. Whoever receives the text is the only one to have it; it is not kept."""
    name = draw(8).hex()
    body = f"eqk_{cell}_{name}_{_letters(int.from_bytes(draw(SECRET_BYTES), 'big'), SECRET_LETTERS)}"
    return KeyText(cell, KeyId(f"k-{name}"), body + _checksum(body))


def read_key(text: str) -> KeyText:
    """Take a key apart. Raises Unreadable or Mistyped, whose texts never repeat what was given."""
    found = _KEY.fullmatch(text) if len(text) <= MOST_LETTERS else None
    if found is None:
        raise Unreadable("This is not a key. A key begins with eqk_ and the name of its cell; copy it whole.")
    if _checksum(text[:-CHECK_LETTERS]) != found[4]:
        raise Mistyped("This key has a slip in it: its checksum differs. Copy it again from where it was kept.")
    return KeyText(Cell(found[1]), KeyId(f"k-{found[2]}"), text)


def _checksum(body: str) -> str:
    return _letters(zlib.crc32(body.encode("ascii")), CHECK_LETTERS)


def _letters(number: int, width: int) -> str:
    """Base 62, most significant letter first, padded to a width."""
    found = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        found.append(LETTERS[digit])
    return "".join(reversed(found))
