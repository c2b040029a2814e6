"""Open doors: rules that let the whole world in, or everything out, however each cloud spells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import ABSENT, UNKNOWN, Seen, at

__all__ = ["control_plane", "database_list", "egress", "ingress"]

_EVERYWHERE: Final = frozenset({"0.0.0.0/0", "::/0", "*", "Internet", "Any", "any", "INTERNET"})
_ALL: Final = "all ports"
_TLS: Final = frozenset({"443", "443-443", "443/443"})
#: Clouds without a filter of host names, where names and time are let out beside TLS.
_UNFILTERED: Final[Mapping[str, frozenset[str]]] = {
    "scaleway": frozenset({"53", "123"}),
    "ovh": frozenset({"53", "123"}),
    "local": frozenset({"53"}),
}


@dataclass(frozen=True, slots=True)
class _Door:
    outward: bool
    peers: tuple[object, ...]
    ports: tuple[str, ...]
    path: str

    def open_to_all(self) -> bool:
        return any(peer is UNKNOWN or str(peer) in _EVERYWHERE for peer in self.peers)


def egress(seen: Seen, border: Border) -> Iterator[str]:
    """TLS alone may go everywhere, since behind it stands the firewall that knows the allowed hosts."""
    fine = _TLS | _UNFILTERED.get(border.spec.provider, frozenset())
    for door in _doors(seen):
        if door.outward and door.open_to_all() and not set(door.ports) <= fine:
            yield (
                f"{door.path} lets {', '.join(door.ports)} out to everywhere. Name the networks, or let TLS (443) out "
                f"to the firewall alone."
            )


def ingress(seen: Seen, border: Border) -> Iterator[str]:  # noqa: ARG001 - as every rule is called
    """Nobody outside is let in; clients come by the chart's gateway."""
    for door in _doors(seen):
        if not door.outward and door.open_to_all():
            yield f"{door.path} lets everybody in, on {', '.join(door.ports)}. Name the cell's own networks."


#: Lists of those who may speak to the control plane, by type.
_CONTROL: Final[Mapping[str, str]] = {
    "aws:eks/cluster:Cluster": "vpcConfig.publicAccessCidrs[*]",
    "gcp:container/cluster:Cluster": "masterAuthorizedNetworksConfig.cidrBlocks[*].cidrBlock",
    "azure-native:containerservice:ManagedCluster": "apiServerAccessProfile.authorizedIPRanges[*]",
    "ovh:CloudProject/kubeIpRestrictions:KubeIpRestrictions": "ips[*]",
    "scaleway:kubernetes/acl:Acl": "aclRules[*].ip",
}
#: And the switch that makes such a list needed, with the value it has when it is left out.
_SWITCH: Final[Mapping[str, tuple[str, object]]] = {
    "aws:eks/cluster:Cluster": ("vpcConfig.endpointPublicAccess", True),
    "gcp:container/cluster:Cluster": ("privateClusterConfig.enablePrivateEndpoint", False),
    "azure-native:containerservice:ManagedCluster": ("apiServerAccessProfile.enablePrivateCluster", False),
}


def control_plane(seen: Seen, border: Border) -> Iterator[str]:
    """Whoever may speak to a control plane from outside is an operator's network of the stack file, or the cell."""
    path = _CONTROL.get(seen.type)
    if path is None:
        return
    found = [value for value in at(seen.inputs, path) if value is not ABSENT]
    if seen.type in _SWITCH and _public(seen) and not found:
        yield f"its API is public and {path} names nobody. Make it private, or name operators' networks."
    if seen.type not in _SWITCH and not found:
        yield f"{path} names nobody, so everybody may speak to the API. Name the cell's gateway and the operators."
    for value in found:
        if value is not UNKNOWN and not _known_network(str(value), border):
            yield f'{path} admits "{value}". Admit the operators of the stack file and the cell\'s own gateway alone.'


def _public(seen: Seen) -> bool:
    path, default = _SWITCH[seen.type]
    value = next(at(seen.inputs, path))
    value = default if value is ABSENT else value
    return value is not False if default else value is not True


def _known_network(value: str, border: Border) -> bool:
    """Operators' networks, parts of them, one address of our own gateway (a /32), or the cell's own network."""
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        return value.startswith("<")  # a name that stands for an address in a plan
    return any(network.subnet_of(known) for known in (*border.spec.operators, border.network))


#: Lists of those who may speak to a database, by type.
_LISTS: Final[Mapping[str, str]] = {
    "alicloud:rds/instance:Instance": "securityIps[*]",
    "ovh:CloudProject/database:Database": "ipRestrictions[*].ip",
    "scaleway:databases/acl:Acl": "aclRules[*].ip",
    "azure-native:dbforpostgresql:FirewallRule": "startIpAddress",
}


def database_list(seen: Seen, border: Border) -> Iterator[str]:
    """Whoever may speak to a database is inside the cell's own network."""
    path = _LISTS.get(seen.type)
    for value in at(seen.inputs, path) if path else ():
        if value is not ABSENT and not _inside(value, border):
            yield f'{path} admits "{value}". Admit {border.network} or a part of it, and nothing else.'


def _inside(value: object, border: Border) -> bool:
    try:
        return IPv4Network(str(value), strict=False).subnet_of(border.network)
    except ValueError:
        return False


def _doors(seen: Seen) -> Iterator[_Door]:
    for kind, direction, path, allowed in _SPELLINGS:
        if seen.type == kind:
            for rule in at(seen.inputs, path) if path else (seen.inputs,):
                if isinstance(rule, Mapping) and _is_open(rule, allowed):
                    outward = direction == "out" or (direction == "" and _outward(rule))
                    yield _Door(outward, _peers(rule, outward), _ports(rule), path or "it")


def _is_open(rule: Mapping[str, object], allowed: tuple[str, str]) -> bool:
    key, value = allowed
    said = rule.get(key)
    return not key or said is UNKNOWN or (bool(said) if value == "*" else str(said or value).lower() == value)


def _outward(rule: Mapping[str, object]) -> bool:
    return str(rule.get("direction", rule.get("type", ""))).lower() in {"egress", "out", "outbound"}


_PEERS: Final = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6", "cidrIp", "ipv6CidrIp", "ipRange", "ip")
_OUTWARD: Final = ("destinationRanges", "destinationAddressPrefix", "destinationAddressPrefixes", "destination")
_INWARD: Final = ("sourceRanges", "sourceAddressPrefix", "sourceAddressPrefixes", "source")


def _peers(rule: Mapping[str, object], outward: bool) -> tuple[object, ...]:
    found: list[object] = []
    for key in (*_PEERS, *(_OUTWARD if outward else _INWARD)):
        found += _many(rule.get(key, ABSENT))
    match = rule.get("match")
    if isinstance(match, Mapping):
        found += (
            [] if match.get("destFqdns") else _many(match.get("destIpRanges" if outward else "srcIpRanges", ABSENT))
        )
    return tuple(found)


def _many(value: object) -> list[object]:
    if value is ABSENT or value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _ports(rule: Mapping[str, object]) -> tuple[str, ...]:
    for key in ("portRange", "destinationPortRange", "destPort", "port"):
        if rule.get(key) is not None:
            return (_number(rule[key]),)
    if rule.get("fromPort") is not None and str(rule.get("protocol", rule.get("ipProtocol"))) not in {"-1", "all"}:
        low, high = _number(rule["fromPort"]), _number(rule.get("toPort", rule["fromPort"]))
        return (low if low == high else f"{low}-{high}",)
    allowed = [_number(port) for allow in _many(rule.get("allows", ABSENT)) for port in _allowed(allow)]
    return tuple(allowed) or (_ALL,)


def _allowed(allow: object) -> list[object]:
    ports = allow.get("ports") if isinstance(allow, Mapping) else None
    return list(ports) if ports else [_ALL]


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_YES: Final = ("", "")
#: Type, direction ("" when the rule says it itself), path of its rules ("" when it is one), and what makes one a rule
#: that lets through: the argument and its value in small letters ("*": anything said), which is also its default.
_SPELLINGS: Final[tuple[tuple[str, str, str, tuple[str, str]], ...]] = (
    ("aws:ec2/securityGroup:SecurityGroup", "in", "ingress[*]", _YES),
    ("aws:ec2/securityGroup:SecurityGroup", "out", "egress[*]", _YES),
    ("aws:ec2/securityGroupRule:SecurityGroupRule", "", "", _YES),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "in", "", _YES),
    ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "out", "", _YES),
    ("gcp:compute/firewall:Firewall", "", "", ("allows", "*")),
    ("gcp:compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule", "", "", ("action", "allow")),
    ("gcp:compute/regionNetworkFirewallPolicyRule:RegionNetworkFirewallPolicyRule", "", "", ("action", "allow")),
    ("azure-native:network:NetworkSecurityGroup", "", "securityRules[*]", ("access", "allow")),
    ("azure-native:network:SecurityRule", "", "", ("access", "allow")),
    ("alicloud:ecs/securityGroupRule:SecurityGroupRule", "", "", ("policy", "accept")),
    ("alicloud:cloudfirewall/natFirewallControlPolicy:NatFirewallControlPolicy", "out", "", ("aclAction", "accept")),
    ("scaleway:instance/securityGroup:SecurityGroup", "in", "inboundRules[*]", ("action", "accept")),
    ("scaleway:instance/securityGroup:SecurityGroup", "out", "outboundRules[*]", ("action", "accept")),
)
