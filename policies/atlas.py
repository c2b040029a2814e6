"""A catalogue and an operator's overlays, as one thing with one digest.

The log's `cat` names these bytes, so an auditor who holds them knows every fact that a decision rested on, and who
had confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from policies.canonical import Digest, Value, decode, encode, sha256
from policies.catalogue import Catalogue
from policies.errors import Malformed, Refused
from policies.lists import Lists
from policies.overlay import Overlay, confirmed
from policies.signatures import Kind, Signed, Trust, days

__all__ = ["Atlas", "LegalLists"]

_V = "equerry.atlas/1"


@dataclass(frozen=True, slots=True)
class Atlas:
    """The facts that decisions rest on."""

    canonical: bytes
    catalogue: Catalogue  # with all that the overlays confirm

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes; the log's `cat`."""
        return sha256(self.canonical)

    @classmethod
    def open(cls, catalogue: Signed, overlays: Sequence[Signed], trust: Trust, day: int) -> Atlas:
        """From signed documents, on this day. Raises Untrusted, Malformed, or Refused when one is out of date."""
        book = catalogue.canonical(Kind.CATALOGUE, trust, day)
        layers = [overlay.canonical(Kind.OVERLAY, trust, day) for overlay in overlays]
        atlas = cls.parse(encode({"v": _V, "catalogue": decode(book), "overlays": [decode(layer) for layer in layers]}))
        in_date("catalogue", atlas.catalogue.dated, atlas.catalogue.expires, day)
        for layer in layers:
            overlay = Overlay.parse(layer)
            not_from_tomorrow(f"overlay {overlay.name}", overlay.dated, day)
        return atlas

    @classmethod
    def parse(cls, canonical: bytes) -> Atlas:
        """From an archive, where a digest in a signed log vouches for the bytes. Raises Malformed or Refused."""
        value = decode(canonical)
        if not isinstance(value, Mapping) or set(value) != {"v", "catalogue", "overlays"} or value["v"] != _V:
            raise Malformed(f"This is not an {_V} document: a catalogue with its overlays.")
        overlays = value["overlays"]
        if not isinstance(overlays, list):
            raise Malformed("The overlays of an atlas are an array.")
        catalogue = Catalogue.parse(encode(value["catalogue"]))
        return cls(canonical, confirmed(catalogue, [Overlay.parse(encode(overlay)) for overlay in overlays]))


@dataclass(frozen=True, slots=True)
class LegalLists:
    """Lists with the bytes that the log's `lst` names."""

    canonical: bytes
    lists: Lists

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes; the log's `lst`."""
        return sha256(self.canonical)

    @classmethod
    def open(cls, signed: Signed, trust: Trust, day: int) -> LegalLists:
        """From a signed document, on this day. Raises Untrusted, Malformed, or Refused when it is out of date."""
        lists = cls.parse(signed.canonical(Kind.LISTS, trust, day))
        in_date("lists", lists.lists.dated, lists.lists.expires, day)
        return lists

    @classmethod
    def parse(cls, canonical: bytes) -> LegalLists:
        """From an archive. Raises Malformed."""
        value: Value = decode(canonical)
        return cls(canonical, Lists.parse(encode(value)))


def in_date(what: str, dated: date, expires: date, day: int) -> None:
    """Raises Refused when a document is from the future or has expired."""
    not_from_tomorrow(what, dated, day)
    if day > days(expires):
        raise Refused(f"The {what} expired on {expires}. Check its facts, date it anew and sign it again.")


def not_from_tomorrow(what: str, dated: date, day: int) -> None:
    """Raises Refused when a document is dated after this day."""
    if days(dated) > day:
        raise Refused(f"The {what} is dated {dated}, which is still to come. Check this machine's clock, or the date.")
