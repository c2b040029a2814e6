"""The way out: one NAT gateway, and a firewall in front of it that lets named hosts pass."""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import GATEWAYS, says
from infra.providers.protocol import Egress, State
from infra.site import Site

__all__ = ["make"]


def make(site: Site, ground: Ground) -> tuple[Egress, list[pulumi.Resource]]:
    """The part, and what has to stand before a node can get out."""
    zone = site.spec.zones[0]
    nat = alicloud.vpc.NatGateway(
        site.name("nat"),
        nat_gateway_name=site.name("nat"),
        vpc_id=ground.vpc.id,
        vswitch_id=ground.edge[zone].id,
        nat_type="Enhanced",
        network_type="internet",
        payment_type="PayAsYouGo",
        internet_charge_type="PayByLcu",
        deletion_protection=True,
        tags=site.tags,
        opts=site.options(),
    )
    address = alicloud.ecs.EipAddress(
        site.name("out"),
        address_name=site.name("out"),
        bandwidth="200",
        internet_charge_type="PayByTraffic",
        payment_type="PayAsYouGo",
        tags=site.tags,
        opts=site.options(),
    )
    held = alicloud.ecs.EipAssociation(
        site.name("out"), allocation_id=address.id, instance_id=nat.id, instance_type="Nat", opts=site.options()
    )
    ways = [_translate(site, ground, nat, address, zone, held) for zone in site.spec.zones]
    firewall = _firewall(site, ground, nat, zone)
    allowed = (*site.spec.egress, *(host.format(region=site.spec.region) for host in GATEWAYS))
    rules = _rules(site, nat, firewall, allowed)
    controls = (
        says(
            "egress.default-deny", State.CONFIGURED, "The NAT firewall drops what no rule before the last one lets out."
        ),
        says("egress.allow-list", State.CONFIGURED, "One rule a host name, by SNI and for TLS alone."),
    )
    return Egress(addresses=(address.ip_address,), allowed=allowed, controls=controls), [*ways, *rules]


def _translate(
    site: Site,
    ground: Ground,
    nat: alicloud.vpc.NatGateway,
    address: alicloud.ecs.EipAddress,
    zone: str,
    held: alicloud.ecs.EipAssociation,
) -> alicloud.vpc.SnatEntry:
    return alicloud.vpc.SnatEntry(
        site.name(f"out-{zone}"),
        snat_entry_name=site.name(f"out-{zone}"),
        snat_table_id=nat.snat_table_ids,
        source_vswitch_id=ground.nodes[zone].id,
        snat_ip=address.ip_address,
        opts=site.options(depends_on=[held]),
    )


def _firewall(
    site: Site, ground: Ground, nat: alicloud.vpc.NatGateway, zone: str
) -> alicloud.cloudfirewall.NatFirewall:
    """Strict: a flow whose host name cannot be seen is dropped as well."""
    return alicloud.cloudfirewall.NatFirewall(
        site.name("wall"),
        proxy_name=site.name("wall"),
        nat_gateway_id=nat.id,
        vpc_id=ground.vpc.id,
        region_no=site.spec.region,
        firewall_switch="open",
        strict_mode=1,
        vswitch_auto="true",
        vswitch_cidr=str(site.addresses.firewall[zone]),
        nat_route_entry_lists=[
            alicloud.cloudfirewall.NatFirewallNatRouteEntryListArgs(
                destination_cidr="0.0.0.0/0",
                nexthop_id=nat.id,
                nexthop_type="NatGateway",
                route_table_id=ground.vpc.route_table_id,
            )
        ],
        opts=site.options(),
    )


def _rules(
    site: Site, nat: alicloud.vpc.NatGateway, firewall: alicloud.cloudfirewall.NatFirewall, allowed: tuple[str, ...]
) -> list[pulumi.Resource]:
    """Hosts in their order, then the rule that drops everything else."""
    rules: list[pulumi.Resource] = []
    for order, host in enumerate(allowed, start=1):
        rules.append(_rule(site, nat, firewall, order, host))
    rules.append(_rule(site, nat, firewall, len(allowed) + 1, None))
    return rules


def _rule(
    site: Site,
    nat: alicloud.vpc.NatGateway,
    firewall: alicloud.cloudfirewall.NatFirewall,
    order: int,
    host: str | None,
) -> alicloud.cloudfirewall.NatFirewallControlPolicy:
    name = site.name(f"out-{host}" if host else "out-nothing-else")
    return alicloud.cloudfirewall.NatFirewallControlPolicy(
        name,
        nat_gateway_id=nat.id,
        direction="out",
        new_order=str(order),
        acl_action="accept" if host else "drop",
        description=name,
        source=str(site.addresses.whole),
        source_type="net",
        destination=host or "0.0.0.0/0",
        destination_type="domain" if host else "net",
        domain_resolve_type=0 if host else None,  # 0: by the name in the TLS handshake
        proto="TCP" if host else "ANY",
        application_name_lists=["HTTPS" if host else "ANY"],
        dest_port="443/443" if host else "0/0",
        dest_port_type="port",
        ip_version="4",
        release="true",
        opts=site.options(depends_on=[firewall]),
    )
