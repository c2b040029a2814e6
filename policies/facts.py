"""What the rules may know about a region on a day.

This is where doubt becomes absence: a fact that is not confirmed, or no longer in date, turns into whatever permits
least. Lists go the other way: an entity counts as listed however surely it is known. The rules in Cedar and the
oracle in Python both see these values and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.catalogue import Catalogue, Provider, Region, Stated
from policies.constraints import OBJECTIVES, RANKS
from policies.lists import Lists
from policies.signatures import days

__all__ = ["Facts", "ProviderFacts", "facts", "window"]


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """Who stands behind a region."""

    id: str
    ownership: str  # a jurisdiction, or "" when it is not confirmed
    ownership_known: bool
    lists: frozenset[str]
    lists_checked: frozenset[str]
    seal: tuple[int, ...]  # one level for each of OBJECTIVES


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the rules may know about a region."""

    id: str
    provider: ProviderFacts
    jurisdiction: str
    country: str
    confirmed: bool
    certifications: frozenset[str]
    evidence: int  # rank of the grade; 0 when not even the lowest is confirmed
    adequate_for: frozenset[str]
    facts_from: int  # first and last day on which all this holds
    facts_until: int


def facts(catalogue: Catalogue, lists: Lists, day: int) -> dict[str, Facts]:
    """Each region by its id, as known on this day."""
    providers = {provider.id: _provider(provider, lists, day) for provider in catalogue.providers}
    span = window(catalogue, lists, day)
    return {
        region.id: _region(catalogue, region, providers[region.provider], lists, day, span)
        for region in catalogue.regions
    }


def window(catalogue: Catalogue, lists: Lists, day: int) -> tuple[int, int]:
    """The first and last day on which the same facts hold as on this day.

    It never reaches beyond the days for which both documents are made, so on any other day it does not hold the day
    that was asked about, and the rules deny.
    """
    first = max(days(catalogue.dated), days(lists.dated))
    last = min(days(catalogue.expires), days(lists.expires))
    ends = {days(stated.expires) for stated in _stated(catalogue, lists) if stated.expires is not None}
    return max([first, *(end + 1 for end in ends if end < day)]), min([last, *(end for end in ends if end >= day)])


def _provider(provider: Provider, lists: Lists, day: int) -> ProviderFacts:
    known = provider.ownership.holds(day)
    chain_known = provider.parent.holds(day) and provider.subprocessors.holds(day)
    return ProviderFacts(
        id=provider.id,
        ownership=provider.ownership.value if known else "",
        ownership_known=known,
        lists=lists.naming(frozenset({provider.parent.entity, provider.id, *provider.subprocessors.entities})),
        lists_checked=lists.confirmed(day) if chain_known else frozenset(),
        seal=tuple(_level(provider, objective, day) for objective in OBJECTIVES),
    )


def _level(provider: Provider, objective: str, day: int) -> int:
    """The lowest confirmed level of an objective: where assessors differ, the harsher one counts."""
    levels = [record.level for record in provider.seal if record.holds(day) and objective in record.objectives]
    return min(levels, default=0)


def _region(
    catalogue: Catalogue, region: Region, provider: ProviderFacts, lists: Lists, day: int, span: tuple[int, int]
) -> Facts:
    return Facts(
        id=region.id,
        provider=provider,
        jurisdiction=region.jurisdiction,
        country=region.country,
        confirmed=region.location.holds(day) and region.status in {"open", "restricted"},
        certifications=frozenset(held.scheme for held in catalogue.held(region) if held.holds(day)),
        evidence=RANKS[region.evidence.grade] if region.evidence.holds(day) else 0,
        adequate_for=lists.accepting(region.jurisdiction, day),
        facts_from=span[0],
        facts_until=span[1],
    )


def _stated(catalogue: Catalogue, lists: Lists) -> Iterator[Stated]:
    """Every fact that may expire."""
    for provider in catalogue.providers:
        yield from (provider.parent, provider.ownership, provider.subprocessors)
        yield from (*provider.certifications, *provider.seal)
    for region in catalogue.regions:
        yield from (region.location, region.evidence, *region.certifications)
    yield from (*lists.lists, *lists.adequacy)
