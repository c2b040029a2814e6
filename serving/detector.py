"""Tells films of this cell from others: what the detection door, the command line and the self-test ask.

The decoder runs in a process of its own, since films come from strangers. The key of the watermarks stays in the cell;
what leaves is whether there is a mark, its 48 bits, and how sure the reading is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from serving.errors import BadMedia
from serving.media.marks.sighting import Sighting
from serving.media.prober import Prober

__all__ = ["CellDetector", "Detector"]

FIELD: Final = "body"


class Detector(Protocol):
    """Looks for marks."""

    @property
    def most(self) -> int:
        """Bytes of a film that is looked at."""

    async def sight(self, body: bytes) -> Sighting:
        """The marks in a film, whoever has encoded it since. Raises BadMedia when it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDetector:
    """The detector of one cell."""

    prober: Prober
    key: bytes  # of the watermarks
    anchors: str  # authorities whose signatures count as trusted, in PEM
    most: int  # bytes

    async def sight(self, body: bytes) -> Sighting:
        """See Detector."""
        if not body:
            raise BadMedia(FIELD, "body is empty. Send the film itself.")
        return await self.prober.sight(body, key=self.key, anchors=self.anchors, field=FIELD)
