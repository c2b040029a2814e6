"""The one way out: Azure Firewall, which lets TLS through to named hosts and to what AKS itself needs."""

from __future__ import annotations

from typing import Final

import pulumi_azure_native as azure

from infra.providers.azure.network import Vnet
from infra.providers.protocol import Control, Egress, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Wall"]

_AKS: Final = "AzureKubernetesService"  # Azure's tag for the hosts that a cluster cannot do without


class Wall:
    """The firewall, its rules, and the route that leads to it."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet) -> None:
        self.site = site
        self.group = group
        self.allowed = site.spec.egress
        self.address = azure.network.PublicIPAddress(
            site.name("address"),
            public_ip_address_name=site.name("address"),
            resource_group_name=group.name,
            location=site.spec.region,
            sku=azure.network.PublicIPAddressSkuArgs(name="Standard", tier="Regional"),
            public_ip_allocation_method="Static",
            zones=list(site.spec.zones),
            tags=site.tags,
            opts=site.options(),
        )
        policy = self._policy()
        rules = self._rules(policy)
        self.firewall = self._firewall(vnet, policy, rules)
        self.route = self._route(vnet)

    def part(self) -> Egress:
        """As the protocol wants it."""
        said = {
            "egress.default-deny": (State.ENFORCED, "The firewall drops what no rule lets through."),
            "egress.allow-list": (
                State.PARTIAL,
                "By the host name in the TLS hello; AKS needs hosts of Microsoft's that are not all in the region.",
            ),
        }
        return Egress(
            addresses=(self.address.ip_address.apply(lambda address: address or ""),),
            allowed=(*self.allowed, f"tag:{_AKS}"),
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _policy(self) -> azure.network.FirewallPolicy:
        return azure.network.FirewallPolicy(
            self.site.name("wall-policy"),
            firewall_policy_name=self.site.name("wall-policy"),
            resource_group_name=self.group.name,
            location=self.site.spec.region,
            sku=azure.network.FirewallPolicySkuArgs(tier="Standard"),
            threat_intel_mode="Deny",
            dns_settings=azure.network.DnsSettingsArgs(enable_proxy=True),
            tags=self.site.tags,
            opts=self.site.options(),
        )

    def _rules(self, policy: azure.network.FirewallPolicy) -> azure.network.FirewallPolicyRuleCollectionGroup:
        https = azure.network.FirewallPolicyRuleApplicationProtocolArgs(protocol_type="Https", port=443)
        nodes = [str(self.site.addresses.whole)]
        aks = azure.network.ApplicationRuleArgs(
            rule_type="ApplicationRule", name="aks", source_addresses=nodes, fqdn_tags=[_AKS], protocols=[https]
        )
        hosts = azure.network.ApplicationRuleArgs(
            rule_type="ApplicationRule",
            name="hosts",
            source_addresses=nodes,
            target_fqdns=list(self.allowed),
            protocols=[https],
        )
        collection = azure.network.FirewallPolicyFilterRuleCollectionArgs(
            rule_collection_type="FirewallPolicyFilterRuleCollection",
            name="allowed",
            priority=200,
            action=azure.network.FirewallPolicyFilterRuleCollectionActionArgs(type="Allow"),
            rules=[aks, hosts] if self.allowed else [aks],
        )
        return azure.network.FirewallPolicyRuleCollectionGroup(
            self.site.name("wall-rules"),
            rule_collection_group_name="allowed",
            firewall_policy_name=policy.name,
            resource_group_name=self.group.name,
            priority=200,
            rule_collections=[collection],
            opts=self.site.options(),
        )

    def _firewall(
        self,
        vnet: Vnet,
        policy: azure.network.FirewallPolicy,
        rules: azure.network.FirewallPolicyRuleCollectionGroup,
    ) -> azure.network.AzureFirewall:
        face = azure.network.AzureFirewallIPConfigurationArgs(
            name="out",
            public_ip_address=azure.network.SubResourceArgs(id=self.address.id),
            subnet=azure.network.SubResourceArgs(id=vnet.firewall.id),
        )
        return azure.network.AzureFirewall(
            self.site.name("wall"),
            azure_firewall_name=self.site.name("wall"),
            resource_group_name=self.group.name,
            location=self.site.spec.region,
            sku=azure.network.AzureFirewallSkuArgs(name="AZFW_VNet", tier="Standard"),
            zones=list(self.site.spec.zones),
            firewall_policy=azure.network.SubResourceArgs(id=policy.id),
            threat_intel_mode="Deny",
            ip_configurations=[face],
            tags=self.site.tags,
            opts=self.site.options(depends_on=[rules]),
        )

    def _route(self, vnet: Vnet) -> azure.network.Route:
        """Everything that leaves goes by the firewall."""
        inside = self.firewall.ip_configurations.apply(
            lambda faces: (faces[0].private_ip_address or "") if faces else ""
        )
        return azure.network.Route(
            self.site.name("out"),
            route_name="out",
            route_table_name=vnet.table.name,
            resource_group_name=self.group.name,
            address_prefix="0.0.0.0/0",
            next_hop_type="VirtualAppliance",
            next_hop_ip_address=inside,
            opts=self.site.options(),
        )
