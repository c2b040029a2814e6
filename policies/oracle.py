"""The same rules in plain Python: a second opinion, never the one that permits.

Differential tests hold it and Cedar against each other, rule by rule. When the engine is missing it still says which
rules deny, and what it would allow is denied all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from policies.constraints import OBJECTIVES, RANKS, Constraints, DataClass
from policies.decision import PERMIT, Asked, Verdict
from policies.facts import Facts

__all__ = ["CHECKS", "verdict"]

Check = Callable[[Constraints, Facts, Asked], bool]


def _current(_: Constraints, region: Facts, asked: Asked) -> bool:
    return region.facts_from <= asked.day <= region.facts_until


def _seal(tenant: Constraints, region: Facts, _: Asked) -> bool:
    return all(
        held >= getattr(tenant.min_seal, objective)
        for objective, held in zip(OBJECTIVES, region.provider.seal, strict=True)
    )


def _any_of_each(tenant: Constraints, region: Facts, _: Asked) -> bool:
    return all(group & region.certifications for group in tenant.required_any)


def _accepted(origin: str, region: Facts, asked: Asked) -> bool:
    """Whether the law of a jurisdiction lets content about its people run here."""
    return asked.data_class is DataClass.PUBLIC or origin == region.jurisdiction or origin in region.adequate_for


def _stays(data_class: DataClass, jurisdiction: str) -> Check:
    def stays(_: Constraints, region: Facts, asked: Asked) -> bool:
        owner = region.provider.ownership if region.provider.ownership_known else ""
        return asked.data_class is not data_class or (region.jurisdiction, owner) == (jurisdiction, jurisdiction)

    return stays


#: Every rule by its id, and the condition that must hold; where it does not, the rule denies.
CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "region-confirmed": lambda _, region, __: region.confirmed,
        "facts-current": _current,
        "jurisdiction-allowed": lambda tenant, region, _: region.jurisdiction in tenant.allowed_jurisdictions,
        "class-allowed": lambda tenant, _, asked: asked.data_class in tenant.allowed_classes,
        "purpose-allowed": lambda tenant, _, asked: asked.purpose in tenant.allowed_purposes,
        "ownership-known": lambda tenant, region, _: not tenant.forbidden_ownership or region.provider.ownership_known,
        "ownership-allowed": lambda tenant, region, _: region.provider.ownership not in tenant.forbidden_ownership,
        "lists-checked": lambda tenant, region, _: tenant.forbidden_lists <= region.provider.lists_checked,
        "lists-clear": lambda tenant, region, _: not tenant.forbidden_lists & region.provider.lists,
        "certifications-all": lambda tenant, region, _: tenant.required_certifications <= region.certifications,
        "certifications-any": _any_of_each,
        "seal-minimum": _seal,
        "evidence-minimum": lambda tenant, region, _: region.evidence >= RANKS[tenant.min_evidence],
        "transfer-subject": lambda _, region, asked: _accepted(asked.subject_region, region, asked),
        "transfer-home": lambda tenant, region, asked: _accepted(tenant.home, region, asked),
        "restricted-eu": _stays(DataClass.RESTRICTED_EU, "EU"),
        "restricted-jp": _stays(DataClass.RESTRICTED_JP, "JP"),
    }
)


def verdict(tenant: Constraints, region: Facts, asked: Asked) -> Verdict:
    """What the rules should answer."""
    denying = tuple(sorted(rule for rule, holds in CHECKS.items() if not holds(tenant, region, asked)))
    return Verdict(not denying, denying or (PERMIT,))
