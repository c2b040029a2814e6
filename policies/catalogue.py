"""What is known about providers and regions, by whom, since when, and how surely.

Every fact carries its confidence. For permission only a fact that is `confirmed` and in date exists; for prohibition,
such as standing on a list, a rumour is enough. Doubts stay in the catalogue and are shown, since a person who can
settle one should see it: `equerry policy explain` says which fact to confirm, and an overlay confirms it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.constraints import OBJECTIVES, Evidence, Jurisdiction, Level, Name
from policies.signatures import checked, days

__all__ = [
    "Catalogue",
    "Certification",
    "Confidence",
    "Entity",
    "Grade",
    "Provider",
    "Region",
    "Scheme",
    "SealRecord",
    "Stated",
    "Subprocessors",
    "Text",
]

RegionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
SourceId = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Line = Annotated[str, Field(min_length=1, max_length=400)]
Note = Annotated[str, Field(max_length=2000)]
Doubts = Annotated[tuple[Line, ...], Field(max_length=64)]


class Confidence(StrEnum):
    """How a fact is known, surest first."""

    CONFIRMED = "confirmed"  # seen in a machine-readable or primary source, on the day it was checked
    REPORTED = "reported"  # seen in a secondary source
    RECALLED = "recalled"  # general knowledge that nobody checked
    UNKNOWN = "unknown"


class Record(BaseModel):
    """A part of a document: no field unknown, nothing changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stated(Record):
    """That something is so, and why one would believe it. As a fact of its own: that a region is where it is said."""

    confidence: Confidence
    sources: Annotated[tuple[SourceId, ...], Field(max_length=32)] = ()  # keys of the document's `sources`
    checked: date | None = None  # the day on which somebody looked
    expires: date | None = None  # the last day on which it counts

    def holds(self, day: int) -> bool:
        """Whether it counts for permission on this day."""
        return self.confidence is Confidence.CONFIRMED and not self.expired(day)

    def expired(self, day: int) -> bool:
        """Whether its last day has passed."""
        return self.expires is not None and day > days(self.expires)

    @model_validator(mode="after")
    def _confirmed_by_someone(self) -> Stated:
        if self.confidence is Confidence.CONFIRMED and (self.checked is None or not self.sources):
            raise ValueError("a confirmed fact needs `sources` and the day on which they were `checked`")
        return self


class Text(Stated):
    """A fact in a word, such as a jurisdiction."""

    value: Jurisdiction


class Entity(Stated):
    """A legal entity; lists name it by `entity`, since brands change."""

    entity: Name
    name: Line


class Subprocessors(Stated):
    """All legal entities that a provider lets touch the service; confirmed means that there are no more."""

    entities: Annotated[tuple[Name, ...], Field(max_length=256)] = ()


class Grade(Stated):
    """How well a region's location is known."""

    grade: Evidence


class Certification(Stated):
    """A certificate: of what, by whom, over which service, until when."""

    scheme: Name
    issuer: Line
    scope: Line

    @model_validator(mode="after")
    def _confirmed_has_an_end(self) -> Certification:
        if self.confidence is Confidence.CONFIRMED and self.expires is None:
            raise ValueError("a confirmed certification needs the day on which it `expires`")
        return self


class SealRecord(Stated):
    """A SEAL level that an assessor gave for some objectives; it is never inferred."""

    objectives: Annotated[tuple[Literal["sov1", "sov2", "sov3", "sov4", "sov5", "sov6", "sov7", "sov8"], ...], Field()]
    level: Level
    assessor: Line


class Gpu(Stated):
    """An accelerator on offer; nothing is permitted for it, capacity planning reads it."""

    model: Line
    sku: Line


class Scheme(Record):
    """A kind of certification; a name that is not among these is refused rather than believed."""

    id: Name
    name: Line
    authority: Line
    reserved: bool = False  # known, and not to be held by anyone yet


class Territory(Record):
    """A jurisdiction and the countries in it."""

    id: Jurisdiction
    name: Line
    countries: Annotated[frozenset[Country], Field(min_length=1)]


class Provider(Record):
    """Who runs regions, and who owns whom."""

    id: Name
    name: Line
    headquarters: Country
    parent: Entity
    ownership: Text  # the jurisdiction whose law reaches the ultimate parent
    subprocessors: Subprocessors
    certifications: Annotated[tuple[Certification, ...], Field(max_length=64)] = ()
    seal: Annotated[tuple[SealRecord, ...], Field(max_length=16)] = ()
    doubts: Doubts = ()
    note: Note = ""


class Region(Record):
    """A place where requests can run."""

    id: RegionId
    provider: Name
    name: Line  # what the provider calls it
    city: Line
    country: Country
    jurisdiction: Jurisdiction
    role: Literal["primary", "neighbour"]
    status: Literal["open", "restricted", "preview", "closed"]  # restricted: the provider must admit you
    location: Stated  # that it exists, in this country
    evidence: Grade
    certifications: Annotated[tuple[Certification, ...], Field(max_length=64)] = ()
    gpus: Annotated[tuple[Gpu, ...], Field(max_length=64)] = ()
    doubts: Doubts = ()
    note: Note = ""


class Catalogue(Record):
    """One dated document of facts."""

    v: Literal["equerry.catalogue/1"] = "equerry.catalogue/1"
    dated: date
    expires: date  # the last day on which its facts may be used
    note: Note = ""
    sources: dict[SourceId, Line]
    jurisdictions: Annotated[tuple[Territory, ...], Field(min_length=1, max_length=256)]
    schemes: Annotated[tuple[Scheme, ...], Field(max_length=256)]
    providers: Annotated[tuple[Provider, ...], Field(max_length=4096)]
    regions: Annotated[tuple[Region, ...], Field(max_length=16384)]

    @classmethod
    def parse(cls, text: bytes) -> Catalogue:
        """A catalogue from JSON. Raises Malformed with the place of the first mistake."""
        return checked(cls, text, "catalogue")

    def provider(self, region: Region) -> Provider:
        """Who runs a region."""
        return next(provider for provider in self.providers if provider.id == region.provider)

    def held(self, region: Region) -> tuple[Certification, ...]:
        """All certifications that speak for a region, its provider's included, in whatever state they are."""
        return (*region.certifications, *self.provider(region).certifications)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Catalogue:
        _unique("jurisdictions", [territory.id for territory in self.jurisdictions])
        _unique("schemes", [scheme.id for scheme in self.schemes])
        _unique("providers", [provider.id for provider in self.providers])
        _unique("regions", [region.id for region in self.regions])
        for region in self.regions:
            self._place(region)
        self._known([held for provider in self.providers for held in provider.certifications])
        self._known([held for region in self.regions for held in region.certifications])
        if not self.dated <= self.expires:
            raise ValueError("it `expires` before it is `dated`")
        return self

    def _place(self, region: Region) -> None:
        territory = next((place for place in self.jurisdictions if place.id == region.jurisdiction), None)
        if territory is None or region.country not in territory.countries:
            raise ValueError(f"region {region.id}: {region.country} is not a country of {region.jurisdiction}")
        if all(provider.id != region.provider for provider in self.providers):
            raise ValueError(f"region {region.id}: the provider {region.provider} is not in the catalogue")

    def _known(self, certifications: Sequence[Certification]) -> None:
        schemes = {scheme.id for scheme in self.schemes if not scheme.reserved}
        for held in certifications:
            if held.scheme not in schemes:
                raise ValueError(f"nobody can hold {held.scheme}: it is not among the schemes that can be held")


def _unique(what: str, ids: list[str]) -> None:
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise ValueError(f"{what} names {min(twice)} twice")


assert len(OBJECTIVES) == 8  # as many as `SealRecord` spells out
