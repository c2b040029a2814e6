"""Lists of entities that governments name, and of countries whose protection others accept.

They change on other days than the catalogue and for other reasons, so they are a document of their own, dated and
signed: taking one line out of it is how an adequacy decision falls, in one change.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from policies.catalogue import Line, Note, Record, SourceId, Stated
from policies.constraints import Jurisdiction, Name
from policies.signatures import checked

__all__ = ["Adequacy", "EntityList", "Listed", "Lists"]


class Listed(Stated):
    """An entity on a list. It counts as listed however surely it is known."""

    entity: Name
    name: Line
    note: Note = ""


class EntityList(Stated):
    """A government's list; its own confidence says how well its text is known."""

    id: Name
    authority: Line
    version: date
    effects: Annotated[tuple[Line, ...], Field(max_length=16)] = ()
    note: Note = ""
    entities: Annotated[tuple[Listed, ...], Field(max_length=16384)]


class Adequacy(Stated):
    """That one jurisdiction's law lets data about its people go to another without further measures."""

    protects: Jurisdiction
    accepts: Jurisdiction
    basis: Line


class Lists(Record):
    """One dated document of lists."""

    v: Literal["equerry.lists/1"] = "equerry.lists/1"
    dated: date
    expires: date
    note: Note = ""
    sources: dict[SourceId, Line]
    lists: Annotated[tuple[EntityList, ...], Field(max_length=256)]
    adequacy: Annotated[tuple[Adequacy, ...], Field(max_length=4096)]

    @classmethod
    def parse(cls, text: bytes) -> Lists:
        """Lists from JSON. Raises Malformed with the place of the first mistake."""
        return checked(cls, text, "lists")

    def naming(self, entities: frozenset[str]) -> frozenset[str]:
        """The lists on which any of these entities stands."""
        return frozenset(a.id for a in self.lists if any(listed.entity in entities for listed in a.entities))

    def confirmed(self, day: int) -> frozenset[str]:
        """The lists whose text is confirmed. Only these can clear anyone: a list by hearsay may lack a name."""
        return frozenset(a.id for a in self.lists if a.holds(day))

    def accepting(self, jurisdiction: str, day: int) -> frozenset[str]:
        """The jurisdictions whose law accepts this one on this day, as far as it is confirmed."""
        return frozenset(a.protects for a in self.adequacy if a.accepts == jurisdiction and a.holds(day))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Lists:
        if len({a.id for a in self.lists}) != len(self.lists):
            raise ValueError("two lists have the same id")
        if not self.dated <= self.expires:
            raise ValueError("it `expires` before it is `dated`")
        return self
