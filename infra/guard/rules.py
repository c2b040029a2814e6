"""All rules, in the order in which a reader meets them: places, doors, data, links, rights, evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.guard import denial, doors, keepsakes, links, places, rights, strangers, tags, whole
from infra.guard.border import Border
from infra.guard.rule import OnPlan, OnResource, Rule
from infra.guard.seen import Seen
from infra.guard.tables import WANTS

__all__ = ["RULES"]

#: What is said above each message.
_SAYS: Final = {
    "jurisdiction": "The stack's region lies in its jurisdiction, by the signed catalogue.",
    "provider-in-region": "Every provider is pinned to the stack's region.",
    "resource-in-region": "No resource names another region.",
    "zone-in-region": "No resource names a zone that is not the cell's.",
    "own-account": "Everything is made in the cell's own account or project.",
    "own-network": "Everything stands in the cell's own private network.",
    "no-public-bucket": "No bucket, vault or log can be opened to the public.",
    "no-public-database": "The database is reached from the cell's own network alone.",
    "no-public-control-plane": "The Kubernetes API is private, or admits named operators alone.",
    "no-public-load-balancer": "No load balancer is made public by default.",
    "no-public-node": "No machine has a public address.",
    "no-open-egress": "What leaves goes by the firewall that knows the allowed hosts.",
    "no-open-ingress": "Nobody outside is let in.",
    "transport-tls": "Nothing is spoken in the clear.",
    "encrypted": "Everything at rest is encrypted.",
    "customer-key": "Data at rest is under the cell's own key, wherever the cloud can.",
    "key-rotates": "Keys get new versions by themselves.",
    "no-replication": "Nothing is copied to another region or bucket.",
    "no-geo-redundancy": "No service keeps a spare in a paired region.",
    "backups-stay": "Backups are kept in the cell's region.",
    "protected": "Films, jobs, keys and evidence are protected from deletion.",
    "no-casual-deletion": "The cloud itself refuses to delete data by accident.",
    "no-links": "A cell is linked to no other network or stack.",
    "no-strangers": "No value names another region.",
    "no-foreign-addresses": "No value holds a private address that is not the cell's.",
    "no-global-edge": "Nothing is served or sped up from points all over the world.",
    "narrow-rights": "Nobody is given everything, and nothing is given to everybody.",
    "no-long-lived-keys": "Nobody holds a key that lasts, wherever the cloud has something better.",
    "guarded-metadata": "A machine's identity cannot be read through its metadata service.",
    "guard-in-place": "What denies other regions to everybody is there, and applies.",
    "has-audit-sink": "Who did what is written down.",
    "audit-immutable": "What is written down cannot be changed or removed.",
    "audit-stays": "The audit log is of this region, and stays in it.",
    "tagged": "Everything says which cell it is of.",
}

_EACH: Final[dict[str, tuple[OnResource, ...]]] = {
    "jurisdiction": (places.jurisdiction,),
    "provider-in-region": (places.provider_in_region,),
    "resource-in-region": (places.in_region,),
    "zone-in-region": (places.zones,),
    "backups-stay": (places.backups_stay, links.forbidden("backups-stay")),
    "no-public-control-plane": (doors.control_plane,),
    "no-public-database": (doors.database_list,),
    "no-open-egress": (doors.egress,),
    "no-open-ingress": (doors.ingress,),
    "no-links": (links.forbidden("no-links"),),
    "no-replication": (links.forbidden("no-replication"),),
    "no-global-edge": (links.forbidden("no-global-edge"),),
    "no-long-lived-keys": (links.forbidden("no-long-lived-keys"),),
    "no-strangers": (strangers.names,),
    "no-foreign-addresses": (strangers.addresses,),
    "narrow-rights": (rights.narrow,),
    "protected": (keepsakes.protected,),
    "tagged": (tags.tagged,),
}

_PLAN: Final[dict[str, tuple[OnPlan, ...]]] = {
    "narrow-rights": (rights.boundaries_are_not_given,),
    "guard-in-place": (denial.in_place,),
}


def _rule(name: str) -> Rule:
    wanted = [want for want in WANTS if want.rule == name]
    checks = _EACH.get(name, ())

    def each(seen: Seen, border: Border) -> Iterator[str]:
        for want in wanted:
            yield from want.misses(seen)
        for check in checks:
            yield from check(seen, border)

    return Rule(name=name, says=_SAYS[name], each=each if wanted or checks else None, whole=_whole(name))


def _whole(name: str) -> OnPlan | None:
    checks = list(_PLAN.get(name, ()))
    if any(row[0] == name for row in whole.HAS):
        checks.append(whole.has(name))
    if any(row[0] == name for row in whole.COMPANIONS):
        checks.append(whole.beside(name))

    def check(plan: Sequence[Seen], border: Border) -> Iterator[tuple[Seen | None, str]]:
        for one in checks:
            yield from one(plan, border)

    return check if checks else None


RULES: Final = tuple(_rule(name) for name in _SAYS)
