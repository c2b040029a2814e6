"""A virtual network of the cell's own: nodes, control plane, database, private endpoints and the firewall.

Pods and services have ranges outside the network, as an overlay demands.
"""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure

from infra.providers.protocol import Control, Network, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Vnet"]


class Vnet:
    """The network, its subnets, and the private doors to stores."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup) -> None:
        where = site.addresses
        self.site = site
        self.group = group
        self.blocks = [next(where.whole.subnets(new_prefix=17)), list(where.whole.subnets(new_prefix=20))[8]]
        self.network = azure.network.VirtualNetwork(
            site.name("network"),
            virtual_network_name=site.name("network"),
            resource_group_name=group.name,
            location=site.spec.region,
            address_space=azure.network.AddressSpaceArgs(address_prefixes=[str(block) for block in self.blocks]),
            subnets=None,
            tags=site.tags,
            opts=site.options(),
        )
        small = list(self.blocks[1].subnets(new_prefix=24))
        self.firewall_block, self.endpoint_block = small[4], small[8]
        self.table = self._table()
        self.rules = self._rules()
        self.firewall = self._subnet("firewall", str(self.firewall_block), name="AzureFirewallSubnet")
        self.nodes = self._subnet("nodes", str(self.blocks[0]), closed=True, after=self.firewall)
        self.control = self._subnet(
            "control",
            str(small[12]),
            delegate="Microsoft.ContainerService/managedClusters",
            closed=True,
            after=self.nodes,
        )
        self.data = self._subnet(
            "data", str(small[0]), delegate="Microsoft.DBforPostgreSQL/flexibleServers", closed=True, after=self.control
        )
        self.endpoints = self._subnet("endpoints", str(self.endpoint_block), closed=True, after=self.data)

    def part(self) -> Network:
        """As the protocol wants it."""
        said = {
            "network.private": (
                State.ENFORCED,
                "A policy refuses public addresses on machines; stores have no public side.",
            ),
            "network.own-addresses": (
                State.CONFIGURED,
                f"{self.site.spec.network}, in no other cell; nothing is peered.",
            ),
            "network.flow-log": (State.CONFIGURED, "Flows of the whole network, to the audit account in the region."),
        }
        return Network(
            id=self.network.id,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def names(self, role: str, zone: str) -> azure.privatedns.PrivateZone:
        """A private zone that this network alone reads."""
        made = azure.privatedns.PrivateZone(
            self.site.name(f"{role}-names"),
            private_zone_name=zone,
            resource_group_name=self.group.name,
            location="global",
            tags=self.site.tags,
            opts=self.site.options(),
        )
        azure.privatedns.VirtualNetworkLink(
            self.site.name(f"{role}-names-link"),
            virtual_network_link_name=self.site.name(role),
            private_zone_name=made.name,
            resource_group_name=self.group.name,
            location="global",
            registration_enabled=False,
            virtual_network=azure.privatedns.SubResourceArgs(id=self.network.id),
            tags=self.site.tags,
            opts=self.site.options(),
        )
        return made

    def door(self, site: Site, role: str, to: pulumi.Input[str], kind: str, zone: azure.privatedns.PrivateZone) -> None:
        """A private endpoint to one resource, and its name."""
        link = azure.network.PrivateLinkServiceConnectionArgs(
            name=site.name(role), private_link_service_id=to, group_ids=[kind]
        )
        made = azure.network.PrivateEndpoint(
            site.name(f"{role}-door"),
            private_endpoint_name=site.name(f"{role}-door"),
            resource_group_name=self.group.name,
            location=site.spec.region,
            subnet=azure.network.SubnetArgs(id=self.endpoints.id),
            private_link_service_connections=[link],
            tags=site.tags,
            opts=site.options(),
        )
        azure.network.PrivateDnsZoneGroup(
            site.name(f"{role}-door-name"),
            private_dns_zone_group_name="default",
            private_endpoint_name=made.name,
            resource_group_name=self.group.name,
            private_dns_zone_configs=[azure.network.PrivateDnsZoneConfigArgs(name=role, private_dns_zone_id=zone.id)],
            opts=site.options(),
        )

    def _subnet(
        self,
        role: str,
        block: str,
        *,
        name: str = "",
        delegate: str = "",
        closed: bool = False,
        after: azure.network.Subnet | None = None,
    ) -> azure.network.Subnet:
        """One after another: Azure changes a network's subnets one at a time."""
        delegation = azure.network.DelegationArgs(name="cell", service_name=delegate)
        return azure.network.Subnet(
            self.site.name(role),
            subnet_name=name or role,
            virtual_network_name=self.network.name,
            resource_group_name=self.group.name,
            address_prefix=block,
            delegations=[delegation] if delegate else None,
            default_outbound_access=False,
            network_security_group=azure.network.NetworkSecurityGroupArgs(id=self.rules.id) if closed else None,
            route_table=azure.network.RouteTableArgs(id=self.table.id) if closed else None,
            private_endpoint_network_policies="Enabled" if closed else None,
            opts=self.site.options(depends_on=[after] if after else []),
        )

    def _table(self) -> azure.network.RouteTable:
        return azure.network.RouteTable(
            self.site.name("routes"),
            route_table_name=self.site.name("routes"),
            resource_group_name=self.group.name,
            location=self.site.spec.region,
            disable_bgp_route_propagation=True,
            tags=self.site.tags,
            opts=self.site.options(),
        )

    def _rules(self) -> azure.network.NetworkSecurityGroup:
        """Among themselves all, from the load balancer its probes, and nothing else in."""
        inside = str(self.site.addresses.whole)
        rules = [
            _rule("inside", 100, "Allow", inside, inside, "*"),
            _rule("probes", 110, "Allow", "AzureLoadBalancer", "*", "*"),
            _rule("nothing", 4096, "Deny", "*", "*", "*"),
        ]
        return azure.network.NetworkSecurityGroup(
            self.site.name("rules"),
            network_security_group_name=self.site.name("rules"),
            resource_group_name=self.group.name,
            location=self.site.spec.region,
            security_rules=rules,
            tags=self.site.tags,
            opts=self.site.options(),
        )


def _rule(name: str, priority: int, access: str, source: str, to: str, port: str) -> azure.network.SecurityRuleArgs:
    return azure.network.SecurityRuleArgs(
        name=name,
        priority=priority,
        direction="Inbound",
        access=access,
        protocol="*",
        source_address_prefix=source,
        source_port_range="*",
        destination_address_prefix=to,
        destination_port_range=port,
    )
