"""The one way out: a gateway with fixed addresses, behind a firewall that knows the allowed hosts by name.

Google's firewall resolves each name and lets its addresses through; it has no wildcards, so a stack that asks for one
is refused.
"""

from __future__ import annotations

from typing import Final

import pulumi_gcp as gcp

from infra.errors import Impossible
from infra.providers.gcp.network import RESTRICTED, Vpc
from infra.providers.protocol import Control, Egress, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Wall"]

_LAST: Final = 2_147_483_000  # the rule that is asked last


class Wall:
    """The firewall's policy and the gateway."""

    def __init__(self, site: Site, vpc: Vpc) -> None:
        self.site = site
        self.allowed = site.spec.egress
        wild = [host for host in self.allowed if host.startswith("*")]
        if wild:
            raise Impossible(f"Google's firewall knows no wildcards such as {wild[0]}. Name the hosts one by one.")
        self._policy = gcp.compute.NetworkFirewallPolicy(
            site.name("wall"),
            name=site.name("wall"),
            project=site.spec.account,
            description="What may enter and leave the cell",
            opts=site.options(),
        )
        rules = self._rules()
        gcp.compute.NetworkFirewallPolicyAssociation(
            site.name("wall-of-network"),
            name=site.name("wall-of-network"),
            project=site.spec.account,
            attachment_target=vpc.network.id,
            firewall_policy=self._policy.id,
            opts=site.options(depends_on=rules),
        )
        self.address = self._address()
        self.gateway = self._gateway(vpc)

    def part(self) -> Egress:
        """As the protocol wants it."""
        said = {
            "egress.default-deny": (State.ENFORCED, "The last rule drops everything, and every rule is logged."),
            "egress.allow-list": (State.ENFORCED, "By the addresses to which the allowed names resolve, port 443."),
        }
        return Egress(
            addresses=(self.address.address,),
            allowed=self.allowed,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _rules(self) -> list[gcp.compute.NetworkFirewallPolicyRule]:
        where = self.site.addresses
        inside = [str(where.whole)]
        google = [f"{RESTRICTED[0]}/30"]
        made = [
            self._rule("inside-out", 1000, "EGRESS", "allow", "all", [], dest_ip_ranges=inside),
            self._rule("inside-in", 1001, "INGRESS", "allow", "all", [], src_ip_ranges=inside),
            self._rule("google", 1002, "EGRESS", "allow", "tcp", ["443"], dest_ip_ranges=google),
            self._rule("nothing-out", _LAST, "EGRESS", "deny", "all", [], dest_ip_ranges=["0.0.0.0/0"]),
            self._rule("nothing-in", _LAST + 1, "INGRESS", "deny", "all", [], src_ip_ranges=["0.0.0.0/0"]),
        ]
        if self.allowed:
            hosts = list(self.allowed)
            made.append(self._rule("hosts", 2000, "EGRESS", "allow", "tcp", ["443"], dest_fqdns=hosts))
        return made

    def _rule(
        self, role: str, priority: int, way: str, action: str, protocol: str, ports: list[str], **peers: list[str]
    ) -> gcp.compute.NetworkFirewallPolicyRule:
        layer = gcp.compute.NetworkFirewallPolicyRuleMatchLayer4ConfigArgs(ip_protocol=protocol, ports=ports or None)
        return gcp.compute.NetworkFirewallPolicyRule(
            self.site.name(f"wall-{role}"),
            project=self.site.spec.account,
            firewall_policy=self._policy.name,
            rule_name=role,
            priority=priority,
            direction=way,
            action=action,
            enable_logging=True,
            match=gcp.compute.NetworkFirewallPolicyRuleMatchArgs(
                layer4_configs=[layer],
                dest_ip_ranges=peers.get("dest_ip_ranges"),
                src_ip_ranges=peers.get("src_ip_ranges"),
                dest_fqdns=peers.get("dest_fqdns"),
            ),
            opts=self.site.options(),
        )

    def _address(self) -> gcp.compute.Address:
        return gcp.compute.Address(
            self.site.name("address"),
            name=self.site.name("address"),
            project=self.site.spec.account,
            region=self.site.spec.region,
            address_type="EXTERNAL",
            labels=self.site.labels,
            opts=self.site.options(),
        )

    def _gateway(self, vpc: Vpc) -> gcp.compute.RouterNat:
        site = self.site
        gcp.compute.Route(
            site.name("route-out"),
            name=site.name("route-out"),
            project=site.spec.account,
            network=vpc.network.id,
            dest_range="0.0.0.0/0",
            next_hop_gateway="default-internet-gateway",
            opts=site.options(),
        )
        router = gcp.compute.Router(
            site.name("router"),
            name=site.name("router"),
            project=site.spec.account,
            region=site.spec.region,
            network=vpc.network.id,
            opts=site.options(),
        )
        return gcp.compute.RouterNat(
            site.name("gateway"),
            name=site.name("gateway"),
            project=site.spec.account,
            region=site.spec.region,
            router=router.name,
            nat_ip_allocate_option="MANUAL_ONLY",
            nat_ips=[self.address.self_link],
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                gcp.compute.RouterNatSubnetworkArgs(name=vpc.subnet.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ALL"),
            opts=site.options(),
        )
