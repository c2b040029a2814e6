"""A VPC of the cell's own: nodes and data without a way out, and two thin rows of subnets for the wall and the gate.

nodes, data  ->  firewall of the zone  ->  gateway of the zone  ->  internet
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from infra.providers.aws.audit import Sink
from infra.providers.protocol import Control, Network, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Vpc"]


class Vpc:
    """Subnets by zone, with their route tables; the wall adds the routes."""

    def __init__(self, site: Site, sink: Sink) -> None:
        where = site.addresses
        self.site = site
        self.cidrs = [str(block) for block in _blocks(where.whole)]
        self.vpc = aws.ec2.Vpc(
            site.name("vpc"),
            cidr_block=self.cidrs[0],
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={**site.tags, "Name": site.name("vpc")},
            opts=site.options(),
        )
        self._second = aws.ec2.VpcIpv4CidrBlockAssociation(
            site.name("vpc-data"), vpc_id=self.vpc.id, cidr_block=self.cidrs[1], opts=site.options()
        )
        self.nodes = self._row("nodes", where.nodes)
        self.data = self._row("data", where.data)
        self.edge = self._row("edge", where.edge)
        self.firewall = self._row("firewall", where.firewall)
        self.routes = {row: self._tables(row, held) for row, held in self._rows().items()}
        _shut_default_group(site, self.vpc)
        _log_flows(site, self.vpc, sink)

    def subnets(self, zones: tuple[str, ...]) -> list[pulumi.Output[str]]:
        """The nodes' subnets of some zones."""
        return [self.nodes[zone].id for zone in zones]

    def part(self) -> Network:
        """As the protocol wants it."""
        return Network(
            id=self.vpc.id,
            controls=(
                Control(
                    id="network.private",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Nodes and data have no public address and no route but through the firewall.",
                ),
                Control(
                    id="network.own-addresses",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note=f"{self.site.spec.network}, in no other cell; nothing is peered.",
                ),
                Control(
                    id="network.flow-log",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Accepted and refused flows go to the audit bucket.",
                ),
            ),
        )

    def _rows(self) -> dict[str, Mapping[str, aws.ec2.Subnet]]:
        return {"nodes": self.nodes, "data": self.data, "edge": self.edge, "firewall": self.firewall}

    def _row(self, row: str, blocks: Mapping[str, IPv4Network]) -> dict[str, aws.ec2.Subnet]:
        return {zone: self._subnet(f"{row}-{zone}", zone, str(block)) for zone, block in blocks.items()}

    def _subnet(self, role: str, zone: str, block: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            self.site.name(role),
            vpc_id=self.vpc.id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=False,
            tags={**self.site.tags, "Name": self.site.name(role)},
            opts=self.site.options(depends_on=[self._second]),
        )

    def _tables(self, row: str, held: Mapping[str, aws.ec2.Subnet]) -> dict[str, aws.ec2.RouteTable]:
        return {zone: self._table(f"{row}-{zone}", subnet) for zone, subnet in held.items()}

    def _table(self, role: str, subnet: aws.ec2.Subnet) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            self.site.name(f"{role}-routes"), vpc_id=self.vpc.id, tags=self.site.tags, opts=self.site.options()
        )
        aws.ec2.RouteTableAssociation(
            self.site.name(f"{role}-routed"), subnet_id=subnet.id, route_table_id=table.id, opts=self.site.options()
        )
        return table


def _blocks(whole: IPv4Network) -> tuple[IPv4Network, IPv4Network]:
    """The two blocks of the VPC; what is left of the /16 is for services, which must lie outside it."""
    return next(whole.subnets(new_prefix=17)), list(whole.subnets(new_prefix=20))[8]


def _shut_default_group(site: Site, vpc: aws.ec2.Vpc) -> None:
    """The group that a machine gets when nobody names one allows nothing."""
    aws.ec2.DefaultSecurityGroup(
        site.name("default-group"), vpc_id=vpc.id, ingress=[], egress=[], tags=site.tags, opts=site.options()
    )


def _log_flows(site: Site, vpc: aws.ec2.Vpc, sink: Sink) -> None:
    aws.ec2.FlowLog(
        site.name("flows"),
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="s3",
        log_destination=sink.bucket.arn.apply("{}/flows/".format),
        max_aggregation_interval=60,
        tags=site.tags,
        opts=site.options(),
    )
