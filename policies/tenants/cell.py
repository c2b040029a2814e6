"""A cell's name, and what it says: the first two letters are the jurisdiction, as in `eu-par` or `jp-tyo`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policies.errors import Malformed

__all__ = ["CELL", "Cell"]

CELL: Final = r"[a-z]{2}(?:-[a-z0-9]{1,12}){1,3}"  # no underscore, since that parts the fields of a key
_CELL = re.compile(CELL)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One region's everything. Two cells of one jurisdiction share nothing either."""

    name: str

    def __post_init__(self) -> None:
        if not _CELL.fullmatch(self.name):
            raise Malformed(
                f"{self.name[:40]!r} is not the name of a cell. Write the jurisdiction in two letters, a hyphen and a "
                "place, all in a-z and 0-9, such as eu-par."
            )

    @property
    def jurisdiction(self) -> str:
        """Where the cell lies, as the rules spell it: EU, JP."""
        return self.name[:2].upper()

    def __str__(self) -> str:
        return self.name
