"""Tells films of this cell from others: what the detection door, the command line and the self-test ask.

The decoder runs in a process of its own, since films come from strangers. The key of the watermarks stays in the cell;
what leaves is whether there is a mark, its 48 bits, and how sure the reading is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from serving.errors import BadMedia, Limited
from serving.media.marks.sighting import Sighting
from serving.media.prober import Prober

__all__ = ["CellDetector", "Detector", "Turns"]

FIELD: Final = "body"
AGAIN_S: Final = 5  # seconds after which it is worth asking again: a film takes a second or two


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


class Turns:
    """Who asks a gateway's detector just now. Use it in one event loop.

    Nobody waits here with a film in memory: who comes beyond is told when to come again, before the film is read. A
    tenant has a few films in hand at once; while half of all turns are taken it has one, so that no few tenants can
    keep out the others.
    """

    def __init__(self, *, each: int = 2, whole: int = 16) -> None:
        """`each` is how many films one tenant has in hand at once, `whole` how many all have."""
        self._each, self._whole = each, whole
        self._taken = Counter[str]()  # by tenant, without zeros

    @contextmanager
    def of(self, tenant: str) -> Iterator[None]:
        """One turn. Raises Limited."""
        self._check(tenant)
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            self._taken += Counter()  # without zeros

    def _check(self, tenant: str) -> None:
        taken = self._taken.total()
        if taken >= self._whole:
            raise Limited("Many films are being looked at here just now. Send this one again soon.", AGAIN_S)
        if self._taken[tenant] >= (self._each if 2 * taken < self._whole else 1):
            raise Limited("Some of your films are being looked at already. Send this one when they are done.", AGAIN_S)
