"""Why a region is denied, in words, and what a person can do about it.

A rule's id says which condition failed. Often the cause is a fact that the catalogue holds and nobody has confirmed;
then the explanation names that fact, how surely it is known, and how to confirm it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from policies.atlas import Atlas, LegalLists
from policies.catalogue import Catalogue, Certification, Confidence, Provider, Region, SealRecord, Stated
from policies.cedar import Cedar
from policies.constraints import OBJECTIVES, Constraints
from policies.decision import Asked
from policies.facts import Facts, facts
from policies.lists import Lists
from policies.policy import Policy

__all__ = ["Explained", "Why", "doubts", "explain"]


@dataclass(frozen=True, slots=True)
class Why:
    """One rule that denies, why it does here, and what would change that."""

    rule: str
    because: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer for one region."""

    region: str
    allowed: bool
    whys: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    tenant: Constraints
    region: Region
    provider: Provider
    known: Facts
    catalogue: Catalogue
    lists: Lists
    asked: Asked


def explain(
    policy: Policy, atlas: Atlas, lists: LegalLists, tenant: Constraints, asked: Asked, only: Sequence[str] = ()
) -> list[Explained]:
    """The answer for each region (or for `only` these), with reasons. Raises Refused when the policy may not decide."""
    catalogue = atlas.catalogue
    known = facts(catalogue, lists.lists, asked.day)
    regions = [region for region in catalogue.regions if not only or region.id in only]
    cedar = Cedar.load(policy)
    verdicts = cedar.ask(cedar.world(known.values(), [tenant]), tenant.digest, [r.id for r in regions], asked)
    told = []
    for region, verdict in zip(regions, verdicts, strict=True):
        case = _Case(tenant, region, catalogue.provider(region), known[region.id], catalogue, lists.lists, asked)
        whys = () if verdict.allowed else tuple(_why(rule, case) for rule in verdict.rules)
        told.append(Explained(region.id, verdict.allowed, whys))
    return told


def doubts(catalogue: Catalogue, region: Region, day: int) -> list[str]:
    """What is not settled about a region, one line each: facts that do not hold on this day, then noted doubts."""
    provider = catalogue.provider(region)
    facts_of = {"location": region.location, "owner": provider.ownership, "parent": provider.parent}
    facts_of |= {"subprocessors": provider.subprocessors}
    facts_of |= {held.scheme: held for held in catalogue.held(region)}
    lines = [f"{name} {_state(stated, day)}" for name, stated in facts_of.items() if not stated.holds(day)]
    return [*lines, *region.doubts]


def _why(rule: str, case: _Case) -> Why:
    words = _WORDS.get(rule)
    if words is None:
        return Why(rule, "the policy says so", "read the rule with this @id in the policy")
    return Why(rule, *words(case))


def _state(stated: Stated, day: int) -> str:
    """Why a fact does not count, to follow "is"."""
    if stated.confidence is Confidence.CONFIRMED and stated.expired(day):
        return f"out of date since {stated.expires}"
    return f"{stated.confidence}, not confirmed"


def _confirm(what: str, stated: Stated, fact: str, subject: str, day: int) -> tuple[str, str]:
    remedy = f"check it in a primary source and confirm `{fact}` of {subject} in a signed overlay"
    return f"{what} is {_state(stated, day)}", remedy


def _location(case: _Case) -> tuple[str, str]:
    region = case.region
    if region.status not in {"open", "restricted"}:
        return f"{region.id} is {region.status}, not open", "wait until it opens, and date the catalogue anew"
    return _confirm(
        f"that {region.id} lies in {region.country}", region.location, "location", region.id, case.asked.day
    )


def _owner(case: _Case) -> tuple[str, str]:
    owner = case.provider.ownership
    what = f"that {case.provider.name} is owned in {owner.value}"
    return _confirm(what, owner, "ownership", case.provider.id, case.asked.day)


def _owner_forbidden(case: _Case) -> tuple[str, str]:
    owner = case.known.provider.ownership
    return f"{case.provider.name} is owned in {owner}, which the tenant forbids", "use a region of another owner"


def _chain(case: _Case) -> tuple[str, str]:
    provider, day = case.provider, case.asked.day
    if not provider.parent.holds(day):
        return _confirm(
            f"that {provider.parent.name} owns {provider.name}", provider.parent, "parent", provider.id, day
        )
    if not provider.subprocessors.holds(day):
        what = f"who the subprocessors of {provider.name} are"
        return _confirm(what, provider.subprocessors, "subprocessors", provider.id, day)
    missing = ", ".join(sorted(case.tenant.forbidden_lists - case.known.provider.lists_checked))
    remedy = "load lists that hold it, whole and confirmed, signed by a key you trust"
    return f"the list {missing} is not here, or its text is not confirmed", remedy


def _listed(case: _Case) -> tuple[str, str]:
    names = ", ".join(sorted(case.tenant.forbidden_lists & case.known.provider.lists))
    because = f"{case.provider.name}, its parent {case.provider.parent.name} or a subprocessor stands on {names}"
    return because, "use another provider; when the entity leaves the list, load the new list"


def _all_certifications(case: _Case) -> tuple[str, str]:
    return _certifications(case, sorted(case.tenant.required_certifications - case.known.certifications))


def _any_certification(case: _Case) -> tuple[str, str]:
    missing = [group for group in case.tenant.required_any if not group & case.known.certifications]
    return _certifications(case, sorted(min(missing, key=sorted)))


def _certifications(case: _Case, missing: Sequence[str]) -> tuple[str, str]:
    told = "; ".join(_certification(case, scheme) for scheme in missing)
    remedy = f"read the certificate's scope and confirm `certification` of {case.region.id} in a signed overlay"
    return told, remedy


def _certification(case: _Case, scheme: str) -> str:
    if all(known.id != scheme for known in case.catalogue.schemes):
        return f"{scheme} is a certification that the catalogue does not know"
    held: list[Certification] = [c for c in case.catalogue.held(case.region) if c.scheme == scheme]
    states = sorted({_state(one, case.asked.day) for one in held})
    return f"{scheme} is {', '.join(states)}" if states else f"{scheme} is not held as far as the catalogue knows"


def _seal(case: _Case) -> tuple[str, str]:
    held, wanted = dict(zip(OBJECTIVES, case.known.provider.seal, strict=True)), case.tenant.min_seal.levels()
    short = ", ".join(f"{o} is {held[o]} and {wanted[o]} is asked" for o in OBJECTIVES if held[o] < wanted[o])
    open_claims = sorted({f"{r.level} by {r.assessor}: {_state(r, case.asked.day)}" for r in _unsettled(case)})
    claims = f" (claimed: {'; '.join(open_claims)})" if open_claims else ""
    return f"{short}{claims}", f"confirm `seal` of {case.provider.id} per objective, from the assessor's own record"


def _unsettled(case: _Case) -> Iterator[SealRecord]:
    return (record for record in case.provider.seal if not record.holds(case.asked.day))


def _evidence(case: _Case) -> tuple[str, str]:
    grade = case.region.evidence
    if grade.holds(case.asked.day):
        return f"the location is {grade.grade}, and {case.tenant.min_evidence} is asked", "use a region known better"
    return _confirm(f"the evidence `{grade.grade}`", grade, "evidence", case.region.id, case.asked.day)


def _transfer(origin: Callable[[_Case], str], whose: str) -> Callable[[_Case], tuple[str, str]]:
    def told(case: _Case) -> tuple[str, str]:
        here, there = origin(case), case.region.jurisdiction
        known = [a for a in case.lists.adequacy if (a.protects, a.accepts) == (here, there)]
        state = _state(known[0], case.asked.day) if known else "not on the list"
        because = f"content about {whose} ({here}) would go to {there}; that {here} accepts {there} is {state}"
        return because, f"use a region in {here}, or load lists in which this adequacy is confirmed"

    return told


def _restricted(jurisdiction: str) -> Callable[[_Case], tuple[str, str]]:
    def told(case: _Case) -> tuple[str, str]:
        region, owner = case.region, case.provider.ownership
        if region.jurisdiction == jurisdiction and owner.value == jurisdiction:
            return _owner(case)
        where = f"{region.id} lies in {region.jurisdiction} and is owned in {owner.value}"
        return f"{where}; {case.asked.data_class} stays in {jurisdiction}, owned there", "use a region that is both"

    return told


_WORDS: Final[dict[str, Callable[[_Case], tuple[str, str]]]] = {
    "region-confirmed": _location,
    "facts-current": lambda _: ("the facts are not those of today", "load documents that are in date"),
    "jurisdiction-allowed": lambda case: (
        f"the tenant does not allow {case.region.jurisdiction}",
        "use another region, or widen the tenant's allowed_jurisdictions",
    ),
    "class-allowed": lambda case: (
        f"the tenant does not send {case.asked.data_class}",
        "use another class, or widen the tenant's allowed_classes",
    ),
    "purpose-allowed": lambda case: (
        f"the tenant does not allow {case.asked.purpose}",
        "use another purpose, or widen the tenant's allowed_purposes",
    ),
    "ownership-known": _owner,
    "ownership-allowed": _owner_forbidden,
    "lists-checked": _chain,
    "lists-clear": _listed,
    "certifications-all": _all_certifications,
    "certifications-any": _any_certification,
    "seal-minimum": _seal,
    "evidence-minimum": _evidence,
    "transfer-subject": _transfer(lambda case: case.asked.subject_region, "the people concerned"),
    "transfer-home": _transfer(lambda case: case.tenant.home, "the tenant's people"),
    "restricted-eu": _restricted("EU"),
    "restricted-jp": _restricted("JP"),
}
