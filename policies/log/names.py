"""The names of regions that entries use are names that a catalogue of the log has.

The schema gives such a name a form only, since catalogues change and the schema does not. Here the names are held to
the catalogues that the decisions name by digest, where these are archived, so that a name is never free text.
"""

from __future__ import annotations

from collections.abc import Iterator

from policies.atlas import Atlas
from policies.errors import PolicyError
from policies.log.finding import Finding
from policies.log.reader import Log

__all__ = ["Names"]


class Names:
    """The regions that entries name, each with the first entry that does."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._catalogues: set[bytes] = set()

    def seen(self, region: bytes, index: int) -> None:
        """An entry names a region."""
        self._first.setdefault(region, index)

    def catalogue(self, digest: bytes) -> None:
        """A decision rests on a catalogue."""
        self._catalogues.add(digest)

    def findings(self, log: Log) -> Iterator[Finding]:
        """Regions that no catalogue knows. Says nothing when a catalogue is not there: replay reports that."""
        known: set[bytes] = set()
        for digest in self._catalogues:
            try:
                atlas = Atlas.parse(log.object(digest.decode()))
            except (FileNotFoundError, PolicyError):
                return
            known |= {region.id.encode() for region in atlas.catalogue.regions}
        for region, index in self._first.items():
            if known and region not in known:
                words = "It names a region that no catalogue of this log knows. Ask the operator what stands there."
                yield Finding("name.unknown", f"entry {index}", words, index)
