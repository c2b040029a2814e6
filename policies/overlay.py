"""An operator's own confirmations: facts that somebody checked, signed by whoever answers for it.

An overlay can only say "I have checked this, on that day, in that source, and it counts until then". It repeats the
value, and where the catalogue holds another one it is refused: an overlay confirms, a new catalogue corrects. So it
can add evidence, and cannot take a provider off a list, move a region or change an owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from policies.catalogue import (
    Catalogue,
    Certification,
    Confidence,
    Country,
    Entity,
    Grade,
    Line,
    Note,
    Provider,
    Record,
    Region,
    RegionId,
    SealRecord,
    Stated,
    Subprocessors,
    Text,
)
from policies.constraints import Evidence, Jurisdiction, Level, Name
from policies.errors import Refused
from policies.signatures import checked

__all__ = ["Overlay", "confirmed"]


class _Confirmation(Record):
    checked: date
    expires: date  # an operator looks again by then
    source: Line  # what was looked at: a document, an address, a contract

    def grounds(self, overlay: Overlay) -> dict[str, object]:
        """What every fact that this confirms carries. It counts no longer than the overlay that brings it."""
        return {
            "confidence": Confidence.CONFIRMED,
            "sources": (overlay.name,),
            "checked": self.checked,
            "expires": min(self.expires, overlay.expires),
        }


class Location(_Confirmation):
    """The region exists, is offered to the operator, and lies in this country."""

    fact: Literal["location"]
    region: RegionId
    country: Country


class GradeOfEvidence(_Confirmation):
    """How well the location is known here."""

    fact: Literal["evidence"]
    region: RegionId
    grade: Evidence


class Held(_Confirmation):
    """A certificate whose scope was read and names the service that is used, in this region."""

    fact: Literal["certification"]
    region: RegionId
    scheme: Name
    issuer: Line
    scope: Line


class Ownership(_Confirmation):
    """The jurisdiction of the ultimate owner."""

    fact: Literal["ownership"]
    provider: Name
    value: Jurisdiction


class Parent(_Confirmation):
    """The ultimate parent."""

    fact: Literal["parent"]
    provider: Name
    entity: Name


class Chain(_Confirmation):
    """All subprocessors that touch the service; an empty list says that there are none."""

    fact: Literal["subprocessors"]
    provider: Name
    entities: Annotated[tuple[Name, ...], Field(max_length=256)]


class Assessed(_Confirmation):
    """A SEAL level of one objective, as an assessor gave it."""

    fact: Literal["seal"]
    provider: Name
    objective: Literal["sov1", "sov2", "sov3", "sov4", "sov5", "sov6", "sov7", "sov8"]
    level: Level
    assessor: Line


Confirmation = Annotated[
    Location | GradeOfEvidence | Held | Ownership | Parent | Chain | Assessed, Field(discriminator="fact")
]


class Overlay(Record):
    """One dated document of confirmations."""

    v: Literal["equerry.overlay/1"] = "equerry.overlay/1"
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]  # confirmed facts cite it as their source
    dated: date
    expires: date
    note: Note = ""
    confirmations: Annotated[tuple[Confirmation, ...], Field(max_length=16384)]

    @classmethod
    def parse(cls, text: bytes) -> Overlay:
        """An overlay from JSON. Raises Malformed with the place of the first mistake."""
        return checked(cls, text, "overlay")

    @model_validator(mode="after")
    def _in_order(self) -> Overlay:
        if not self.dated <= self.expires:
            raise ValueError("it `expires` before it is `dated`")
        for number, confirmation in enumerate(self.confirmations):
            if not confirmation.checked <= self.dated:
                raise ValueError(f"confirmation {number} was `checked` after the overlay was `dated`")
        return self


def confirmed(catalogue: Catalogue, overlays: Sequence[Overlay]) -> Catalogue:
    """The catalogue with what the overlays confirm. Raises Refused when one contradicts it or names nothing in it."""
    for overlay in overlays:
        source = {overlay.name: overlay.note or f"overlay {overlay.name} of {overlay.dated}"}
        catalogue = catalogue.model_copy(update={"sources": {**catalogue.sources, **source}})
        for confirmation in overlay.confirmations:
            catalogue = _confirm(catalogue, confirmation, confirmation.grounds(overlay))
    return catalogue


def _confirm(catalogue: Catalogue, new: Confirmation, grounds: dict[str, object]) -> Catalogue:
    if isinstance(new, Location | GradeOfEvidence | Held):
        return _confirm_region(catalogue, new, grounds)
    return _confirm_provider(catalogue, new, grounds)


def _confirm_region(
    catalogue: Catalogue, new: Location | GradeOfEvidence | Held, grounds: dict[str, object]
) -> Catalogue:
    region = _region(catalogue, new.region)
    match new:
        case Location():
            _agree(region.id, "country", region.country, new.country)
            location, evidence = Stated.model_validate(grounds), _at_least_declared(region, grounds)
            return _with_region(catalogue, region, location=location, evidence=evidence)
        case GradeOfEvidence():
            evidence = Grade.model_validate({"grade": new.grade, **grounds})
            return _with_region(catalogue, region, evidence=evidence)
        case Held():
            _known_scheme(catalogue, new.scheme)
            told = {"scheme": new.scheme, "issuer": new.issuer, "scope": new.scope}
            held = Certification.model_validate({**told, **grounds})
            return _with_region(catalogue, region, certifications=(*region.certifications, held))


def _confirm_provider(
    catalogue: Catalogue, new: Ownership | Parent | Chain | Assessed, grounds: dict[str, object]
) -> Catalogue:
    provider = _provider(catalogue, new.provider)
    match new:
        case Ownership():
            _agree(provider.id, "ownership", provider.ownership.value, new.value)
            ownership = Text.model_validate({"value": new.value, **grounds})
            return _with_provider(catalogue, provider, ownership=ownership)
        case Parent():
            _agree(provider.id, "parent", provider.parent.entity, new.entity)
            parent = Entity.model_validate({"entity": new.entity, "name": provider.parent.name, **grounds})
            return _with_provider(catalogue, provider, parent=parent)
        case Chain():
            missing = sorted(set(provider.subprocessors.entities) - set(new.entities))
            if missing:
                raise Refused(f"{provider.id}: the catalogue also names the subprocessor {missing[0]}; name it too.")
            chain = Subprocessors.model_validate({"entities": new.entities, **grounds})
            return _with_provider(catalogue, provider, subprocessors=chain)
        case Assessed():
            told = {"objectives": (new.objective,), "level": new.level, "assessor": new.assessor}
            record = SealRecord.model_validate({**told, **grounds})
            return _with_provider(catalogue, provider, seal=(*provider.seal, record))


def _at_least_declared(region: Region, grounds: dict[str, object]) -> Grade:
    """A confirmed location is at least the provider's confirmed word."""
    if region.evidence.confidence is Confidence.CONFIRMED:
        return region.evidence
    return Grade.model_validate({"grade": Evidence.DECLARED, **grounds})


def _agree(subject: str, field: str, there: str, here: str) -> None:
    if there != here:
        raise Refused(
            f"{subject}: the catalogue says {field} {there}, and the overlay confirms {here}. "
            "Find out which is right; a wrong catalogue is corrected in the catalogue."
        )


def _known_scheme(catalogue: Catalogue, scheme: str) -> None:
    if scheme not in {known.id for known in catalogue.schemes if not known.reserved}:
        raise Refused(f"The catalogue knows no certification {scheme} that can be held; see its `schemes`.")


def _region(catalogue: Catalogue, region: str) -> Region:
    for known in catalogue.regions:
        if known.id == region:
            return known
    raise Refused(f"The overlay confirms the region {region}, which the catalogue does not hold.")


def _provider(catalogue: Catalogue, provider: str) -> Provider:
    for known in catalogue.providers:
        if known.id == provider:
            return known
    raise Refused(f"The overlay confirms the provider {provider}, which the catalogue does not hold.")


def _with_region(catalogue: Catalogue, region: Region, **changed: object) -> Catalogue:
    new = region.model_copy(update=changed)
    return catalogue.model_copy(update={"regions": tuple(new if r is region else r for r in catalogue.regions)})


def _with_provider(catalogue: Catalogue, provider: Provider, **changed: object) -> Catalogue:
    new = provider.model_copy(update=changed)
    return catalogue.model_copy(update={"providers": tuple(new if p is provider else p for p in catalogue.providers)})
