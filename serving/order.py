"""What a job keeps of its wish: the film that was agreed, where its media lie, and on whose demands it may run.

It is kept with the job in the cell's database, since it holds the prompt, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Final

from model.clip import Mode, Size
from policies.constraints import Constraints
from policies.errors import PolicyError
from serving.errors import Broken
from serving.wish import Audio, Given, Role, Wish

__all__ = ["Order", "Piece"]

VERSION: Final = 1
_WISH: Final = tuple(each.name for each in fields(Wish))
_GIVEN: Final = tuple(each.name for each in fields(Given) if each.name != "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of media as it lies in the cell's object store."""

    role: Role
    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A wish after everything is settled: `wish.size`, `wish.seconds` and `wish.seed` are there."""

    wish: Wish  # without bodies
    pieces: tuple[Piece, ...]
    data_class: str
    subject: str  # jurisdiction of the people whom the content concerns
    demands: Constraints  # the caller's, narrowed; the worker decides by them again
    key: str  # id of the caller's key

    @property
    def size(self) -> Size:
        """Of the film that is delivered."""
        if self.wish.size is None:
            raise Broken("An order without a size was kept.")
        return self.wish.size

    def write(self) -> str:
        """As JSON."""
        wish = {name: getattr(self.wish, name) for name in _WISH}
        wish["size"] = str(self.size)
        wish["given"] = [{name: getattr(given, name) for name in _GIVEN} for given in self.wish.given]
        whole = {
            "v": VERSION,
            "wish": wish,
            "pieces": [asdict(piece) for piece in self.pieces],
            "data_class": self.data_class,
            "subject": self.subject,
            "demands": _text_of(self.demands),
            "key": self.key,
        }
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Order:
        """From what `write` gave. Raises Broken for anything else."""
        try:
            whole = _whole(text)
            return cls(
                wish=_wish(whole["wish"]),
                pieces=tuple(Piece(**{**piece, "role": Role(piece["role"])}) for piece in whole["pieces"]),
                data_class=str(whole["data_class"]),
                subject=str(whole["subject"]),
                demands=Constraints.parse(whole["demands"].encode()),
                key=str(whole["key"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, PolicyError):
            raise _unreadable() from None

    @staticmethod
    def wish_of(text: str) -> Wish:
        """The wish alone of what `write` gave, for those who only show it. Raises Broken for anything else."""
        try:
            return _wish(_whole(text)["wish"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _unreadable() from None


@lru_cache(maxsize=256)
def _text_of(demands: Constraints) -> str:
    """Constraints as their bytes are known; a key has the same ones in every request."""
    return demands.canonical().decode()


def _whole(text: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(text)
    if whole["v"] != VERSION:
        raise Broken("A job was kept by another version of this program. Finish its jobs with that version.")
    return whole


def _unreadable() -> Broken:
    return Broken("What a job keeps of its order cannot be read.")


def _wish(kept: dict[str, Any]) -> Wish:
    width, _, height = str(kept["size"]).partition("x")
    told = {
        "mode": Mode(kept["mode"]),
        "size": Size(int(width), int(height)),
        "audio": Audio(kept["audio"]),
        "given": tuple(Given(**{**given, "role": Role(given["role"])}) for given in kept["given"]),
        "metadata": tuple((str(name), str(value)) for name, value in kept["metadata"]),
        "ignored": tuple(map(str, kept["ignored"])),
    }
    return Wish(**{**kept, **told})
