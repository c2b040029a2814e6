"""The decisions of every tenant, supposing that the operator confirms what the catalogue only recalls.

A cell denies on doubt, and most of the shipped facts are in doubt until an operator has checked them. A simulation asks
what would happen then, so it confirms each stated fact by an overlay of its own, by the code that reads any overlay.
Nothing of this reaches a cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from policies import oracle
from policies.atlas import Atlas
from policies.canonical import Value, decode, encode
from policies.catalogue import Catalogue, Confidence
from policies.constraints import Constraints, DataClass, Purpose
from policies.decision import Asked
from policies.facts import Facts, facts
from policies.policy import Policy
from policies.shelf import Shelf
from policies.tables import Tables

__all__ = ["Law", "law", "supposed"]

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Law:
    """What may run where."""

    tables: Tables
    regions: Mapping[str, Facts]
    day: int

    def second_opinion(self, demands: Constraints, data_class: DataClass, region: str) -> bool:
        """Whether the plain-Python oracle would let it run there; the tables are Cedar's."""
        asked = Asked(data_class, Purpose.GENERATION, demands.home, self.day)
        return oracle.verdict(demands, self.regions[region], asked).allowed


def supposed(day: int) -> Atlas:
    """The shipped catalogue with everything confirmed that it states. Raises Refused when it is out of date."""
    atlas = Shelf().read_atlas(day)
    text = decode(atlas.canonical)
    assert isinstance(text, Mapping)
    today = _EPOCH + timedelta(days=day)
    overlay: dict[str, Value] = {
        "v": "equerry.overlay/1",
        "name": "supposed",
        "dated": today.isoformat(),
        "expires": (today + timedelta(days=30)).isoformat(),
        "note": "supposed for a simulation; nobody has checked it",
        "confirmations": list(_confirmations(atlas.catalogue, today)),
    }
    return Atlas.parse(encode({**text, "overlays": [overlay]}))


def law(atlas: Atlas, tenants: Mapping[str, Constraints], day: int) -> Law:
    """All decisions of these tenants."""
    lists = Shelf().read_lists(day)
    return Law(
        tables=Tables.build(Policy.shipped(), atlas, lists, tenants, day),
        regions=facts(atlas.catalogue, lists.lists, day),
        day=day,
    )


def _confirmations(catalogue: Catalogue, today: date) -> Iterator[dict[str, Value]]:
    said: dict[str, Value] = {
        "checked": today.isoformat(),
        "expires": (today + timedelta(days=30)).isoformat(),
        "source": "supposed for a simulation",
    }
    for provider in catalogue.providers:
        if provider.ownership.confidence not in (Confidence.CONFIRMED, Confidence.UNKNOWN):
            yield {**said, "fact": "ownership", "provider": provider.id, "value": provider.ownership.value}
    for region in catalogue.regions:
        if region.location.confidence is not Confidence.CONFIRMED:
            yield {**said, "fact": "location", "region": region.id, "country": region.country}
        if region.evidence.confidence is not Confidence.CONFIRMED:
            yield {**said, "fact": "evidence", "region": region.id, "grade": region.evidence.grade}
