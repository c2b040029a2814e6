"""A private network with three switches a zone, and a log of what flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi_alicloud as alicloud

from infra.providers.alicloud.says import says
from infra.providers.protocol import Network, State
from infra.site import Site

__all__ = ["Ground", "make"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the other parts stand on; switches by zone."""

    vpc: alicloud.vpc.Network
    nodes: Mapping[str, alicloud.vpc.Switch]  # pods too, which Terway draws from the same switch
    data: Mapping[str, alicloud.vpc.Switch]
    edge: Mapping[str, alicloud.vpc.Switch]
    logs: alicloud.log.Project


def make(site: Site) -> tuple[Network, Ground]:
    """The network and its part."""
    vpc = alicloud.vpc.Network(
        site.name("vpc"),
        vpc_name=site.name("vpc"),
        cidr_block=str(site.addresses.whole),
        enable_ipv6=False,
        tags=site.tags,
        opts=site.options(),
    )
    ground = Ground(
        vpc=vpc,
        nodes=_switches(site, vpc, "nodes", site.addresses.nodes),
        data=_switches(site, vpc, "data", site.addresses.data),
        edge=_switches(site, vpc, "edge", site.addresses.edge),
        logs=_logs(site),
    )
    _flow_log(site, ground)
    controls = (
        says("network.private", State.CONFIGURED, "Nodes and database stand in a VPC of the cell's own."),
        says("network.own-addresses", State.CONFIGURED, "The network is the spec's /16, which no other cell has."),
        says("network.flow-log", State.CONFIGURED, "All flows of the VPC go to a log project in the region."),
    )
    return Network(id=vpc.id, controls=controls), ground


def _switches(
    site: Site, vpc: alicloud.vpc.Network, role: str, addresses: Mapping[str, IPv4Network]
) -> dict[str, alicloud.vpc.Switch]:
    return {
        zone: alicloud.vpc.Switch(
            site.name(f"{role}-{zone}"),
            vswitch_name=site.name(f"{role}-{zone}"),
            vpc_id=vpc.id,
            zone_id=zone,
            cidr_block=str(network),
            tags=site.tags,
            opts=site.options(),
        )
        for zone, network in addresses.items()
    }


def _logs(site: Site) -> alicloud.log.Project:
    name = site.global_name("logs")
    return alicloud.log.Project(
        name,
        project_name=name,
        description=f"Logs of {site.spec.cell}",
        tags=site.tags,
        opts=site.data_options(),
    )


def _flow_log(site: Site, ground: Ground) -> None:
    store = alicloud.log.Store(
        site.name("flows"),
        project_name=ground.logs.project_name,
        logstore_name="flows",
        retention_period=min(site.spec.audit_days, 3650),
        enable_web_tracking=False,
        opts=site.data_options(),
    )
    alicloud.vpc.FlowLog(
        site.name("flows"),
        flow_log_name=site.name("flows"),
        resource_type="VPC",
        resource_id=ground.vpc.id,
        traffic_type="All",
        project_name=ground.logs.project_name,
        log_store_name=store.logstore_name,
        tags=site.tags,
        opts=site.options(),
    )
