"""Cedar, in process: rules parsed once, entities parsed once, and an answer only when nothing went wrong.

Cedar skips a forbid whose condition fails to evaluate, and an entity that does not exist fails every condition that
looks at it. So an answer that comes with an error is a denial here, whatever the answer was, and the one permit
states every condition itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from policies.constraints import MOST_GROUPS, OBJECTIVES, RANKS, Constraints
from policies.decision import PERMIT, Asked, Verdict
from policies.errors import Malformed, Refused, Unavailable
from policies.facts import Facts, ProviderFacts
from policies.oracle import CHECKS
from policies.policy import Policy

if TYPE_CHECKING:
    import cedarpy
    from cedarpy import pst

__all__ = ["ERROR", "Cedar", "World", "faults", "region_entities", "tenant_entity"]

ERROR: Final = "policy-error"  # in place of a rule's id, when a rule could not be evaluated
_ACTION: Final = {"type": "Action", "id": "run"}

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """Tenants and regions that the rules can see, parsed and checked against the schema."""

    handle: cedarpy.Entities
    schema: cedarpy.Schema

    def with_tenants(self, tenants: Iterable[Constraints]) -> World:
        """This world with more tenants."""
        added = json.dumps([tenant_entity(tenant) for tenant in tenants])
        return World(self.handle.with_added_json_str(added, self.schema), self.schema)


@dataclass(frozen=True, slots=True)
class Cedar:
    """One policy, ready to answer."""

    policies: cedarpy.PolicySet
    schema: cedarpy.Schema

    @classmethod
    def load(cls, policy: Policy, *, whole: bool = True) -> Cedar:
        """A policy that may decide. Raises Refused with every fault when it may not, Unavailable without Cedar.

        With `whole=False` only validity against the schema counts: an archived policy may lack rules that came later.
        """
        engine = _engine()
        found = faults(policy) if whole else _invalid(policy)
        if found:
            raise Refused(f"This policy may not decide: {' '.join(found)}")
        return cls(engine.PolicySet.from_str(policy.rules), engine.Schema.from_str(policy.schema))

    def world(self, regions: Iterable[Facts], tenants: Iterable[Constraints] = ()) -> World:
        """Entities for these regions and tenants. Raises Malformed when one lacks what the schema asks for."""
        entities = [*region_entities(regions), *(tenant_entity(tenant) for tenant in tenants)]
        return self.parse(entities)

    def parse(self, entities: Sequence[Entity]) -> World:
        """A world from entities in Cedar's JSON. Raises Malformed when the schema does not allow them."""
        try:
            return World(_engine().Entities.from_json_str(json.dumps(entities), self.schema), self.schema)
        except ValueError as error:
            where = ", ".join(self._misfits(entities)) or "these facts"
            raise Malformed(
                f"The schema does not allow {where}: {error}. "
                "An attribute is missing, misspelt or of another type; every attribute of the schema must be there."
            ) from None

    def _misfits(self, entities: Sequence[Entity]) -> Iterator[str]:
        """Each entity that does not fit the schema by itself."""
        for entity in entities:
            try:
                _engine().Entities.from_json_str(json.dumps([entity]), self.schema)
            except ValueError:
                yield f"{entity['uid']['type']} {entity['uid']['id']}"

    def ask(self, world: World, tenant: str, regions: Sequence[str], asked: Asked) -> list[Verdict]:
        """The answers for one tenant, by the digest of its demands, and each region, by its id."""
        question = {"principal": {"type": "Tenant", "id": tenant}, "action": _ACTION, "context": _context(asked)}
        requests = [{**question, "resource": {"type": "Region", "id": region}} for region in regions]
        return [_verdict(answer) for answer in _engine().is_authorized_batch(requests, self.policies, world.handle)]


def tenant_entity(tenant: Constraints) -> Entity:
    """Demands as a Cedar entity; its id is their digest."""
    groups = sorted(map(sorted, tenant.required_any))
    slots = {f"any_{slot + 1}": groups[slot] if slot < len(groups) else [] for slot in range(MOST_GROUPS)}
    attributes = {
        "home": tenant.home,
        "allowed_jurisdictions": sorted(tenant.allowed_jurisdictions),
        "allowed_classes": sorted(tenant.allowed_classes),
        "allowed_purposes": sorted(tenant.allowed_purposes),
        "forbidden_ownership": sorted(tenant.forbidden_ownership),
        "forbidden_lists": sorted(tenant.forbidden_lists),
        "required_certifications": sorted(tenant.required_certifications),
        "min_seal": tenant.min_seal.levels(),
        "min_evidence": RANKS[tenant.min_evidence],
    }
    return _entity("Tenant", tenant.digest, {**attributes, **slots})


def region_entities(regions: Iterable[Facts]) -> list[Entity]:
    """Regions and their providers as Cedar entities."""
    regions = list(regions)
    providers = {region.provider.id: region.provider for region in regions}
    return [*(_provider(provider) for provider in providers.values()), *(_region(region) for region in regions)]


def _provider(provider: ProviderFacts) -> Entity:
    attributes = {
        "ownership": provider.ownership,
        "ownership_known": provider.ownership_known,
        "lists": sorted(provider.lists),
        "lists_checked": sorted(provider.lists_checked),
        "seal": dict(zip(OBJECTIVES, provider.seal, strict=True)),
    }
    return _entity("Provider", provider.id, attributes)


def _region(region: Facts) -> Entity:
    attributes = {
        "provider": {"__entity": {"type": "Provider", "id": region.provider.id}},
        "jurisdiction": region.jurisdiction,
        "country": region.country,
        "confirmed": region.confirmed,
        "certifications": sorted(region.certifications),
        "evidence": region.evidence,
        "adequate_for": sorted(region.adequate_for),
        "facts_from": region.facts_from,
        "facts_until": region.facts_until,
    }
    return _entity("Region", region.id, attributes)


def _entity(kind: str, name: str, attributes: Mapping[str, object]) -> Entity:
    return {"uid": {"type": kind, "id": name}, "attrs": dict(attributes), "parents": []}


def _context(asked: Asked) -> str:
    return json.dumps(
        {
            "data_class": asked.data_class,
            "purpose": asked.purpose,
            "subject_region": asked.subject_region,
            "now_day": asked.day,
        }
    )


def _verdict(answer: cedarpy.AuthzResult) -> Verdict:
    diagnostics = answer.diagnostics
    names = diagnostics.id_annotations_by_reason
    rules = {names.get(reason, reason) for reason in diagnostics.reasons}
    if diagnostics.errors:
        return Verdict(False, tuple(sorted((rules - {PERMIT}) | {ERROR})))
    return Verdict(answer.allowed, tuple(sorted(rules)))


def faults(policy: Policy, needed: Collection[str] = CHECKS.keys()) -> list[str]:
    """What keeps a policy from deciding, as sentences: invalid, a rule missing, or permit and forbids apart."""
    invalid = _invalid(policy)
    if invalid:
        return invalid
    parsed = _engine().policies_to_pst(policy.rules)
    if parsed.templates:
        return ["It holds a template, which decides nothing until it is linked; write the rule out."]
    rules = list(parsed.static_policies.values())
    ids = [rule.annotations.get("id", "") for rule in rules]
    found = [f"The rule {rule} is missing; put it back." for rule in sorted(set(needed) - set(ids))]
    found += [f"The id {name!r} stands on more than one rule." for name in sorted({n for n in ids if ids.count(n) > 1})]
    return found + _apart(rules)


def _apart(rules: Sequence[pst.Template]) -> list[str]:
    """Where the one permit and the forbids do not state the same conditions."""
    permits = [rule for rule in rules if rule.effect == "permit"]
    if len(permits) != 1 or permits[0].annotations.get("id") != PERMIT:
        return [f"There must be exactly one permit, and its id is {PERMIT}; here are {len(permits)}."]
    stated = {clause.expr for clause in permits[0].clauses if type(clause).__name__ == "When"}
    found = []
    for rule in rules:
        name = rule.annotations.get("id", rule.id)
        if rule.effect == "forbid" and not _mirrors(rule, permits[0], stated):
            found.append(f"The permit does not state the condition of {name} in the same words.")
    if len(stated) != len(rules) - 1 or len(permits[0].clauses) != len(stated):
        found.append("The permit states a condition that no forbid names, or states one twice.")
    return found


def _mirrors(rule: pst.Template, permit: pst.Template, stated: set[pst.Expr]) -> bool:
    scope = (rule.principal, rule.action, rule.resource) == (permit.principal, permit.action, permit.resource)
    unless = len(rule.clauses) == 1 and type(rule.clauses[0]).__name__ == "Unless"
    return scope and unless and rule.clauses[0].expr in stated


def _invalid(policy: Policy) -> list[str]:
    try:
        result = _engine().validate_policies(policy.rules, policy.schema)
    except ValueError as error:
        return [f"Cedar cannot read it: {error}."]
    return [f"{result.id_annotations_by_policy_id.get(e.policy_id, e.policy_id)}: {e.error}." for e in result.errors]


def _engine() -> Any:
    try:
        import cedarpy
    except ImportError:
        raise Unavailable("Cedar is not installed, so nothing can be permitted. Install cedarpy 4.12.") from None
    return cedarpy
