"""The one way out: a firewall in each zone that lets TLS through to named hosts, and AWS's own services inside.

The firewall reads the host name in the TLS hello and in the HTTP Host header. A name can be lied about in a hello; an
allow-list by name stops mistakes and plain exfiltration, and not an insider who owns a server behind an allowed name.
"""

from __future__ import annotations

import json
from typing import Final

import pulumi_aws as aws

from infra.providers.aws.audit import Sink
from infra.providers.aws.network import Vpc
from infra.providers.protocol import Control, Egress, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Wall"]

#: What nodes and pods ask of AWS; each has an address inside the VPC.
_SERVICES: Final = (
    "autoscaling",
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "kms",
    "logs",
    "sts",
)
_CAPACITY: Final = 1000  # rules that the group may ever hold; it cannot be raised later


class Wall:
    """Firewalls, gateways, the routes through both, and the doors to AWS's services."""

    def __init__(self, site: Site, vpc: Vpc, sink: Sink) -> None:
        self.site = site
        self.allowed = site.spec.egress
        self._internet = aws.ec2.InternetGateway(
            site.name("internet"), vpc_id=vpc.vpc.id, tags=site.tags, opts=site.options()
        )
        policy = self._policy()
        self.gateways = {zone: self._gateway(zone, vpc) for zone in site.spec.zones}
        self.firewalls = {zone: self._firewall(zone, vpc, policy) for zone in site.spec.zones}
        self.routes = [route for zone in site.spec.zones for route in self._route(zone, vpc)]
        for zone, firewall in self.firewalls.items():
            self._log(zone, firewall, sink)
        self._open_doors(vpc)

    def part(self) -> Egress:
        """As the protocol wants it."""
        return Egress(
            addresses=tuple(gateway.public_ip for gateway in self.gateways.values()),
            allowed=self.allowed,
            controls=(
                Control(
                    id="egress.default-deny",
                    state=State.ENFORCED,
                    grade=Evidence.ENDPOINT,
                    note="The firewall drops every established connection that no rule lets through, and logs it.",
                ),
                Control(
                    id="egress.allow-list",
                    state=State.ENFORCED,
                    grade=Evidence.ENDPOINT,
                    note="By the host name in the TLS hello or the HTTP Host header; the payload is not decrypted.",
                ),
            ),
        )

    def _policy(self) -> aws.networkfirewall.FirewallPolicy:
        groups = [self._hosts()] if self.allowed else []
        references = [
            aws.networkfirewall.FirewallPolicyFirewallPolicyStatefulRuleGroupReferenceArgs(
                resource_arn=group.arn, priority=number
            )
            for number, group in enumerate(groups, start=1)
        ]
        order = aws.networkfirewall.FirewallPolicyFirewallPolicyStatefulEngineOptionsArgs(
            rule_order="STRICT_ORDER", stream_exception_policy="DROP"
        )
        return aws.networkfirewall.FirewallPolicy(
            self.site.name("wall-policy"),
            name=self.site.name("wall-policy"),
            firewall_policy=aws.networkfirewall.FirewallPolicyFirewallPolicyArgs(
                stateless_default_actions=["aws:forward_to_sfe"],
                stateless_fragment_default_actions=["aws:drop"],
                stateful_engine_options=order,
                stateful_default_actions=["aws:drop_established", "aws:alert_established"],
                stateful_rule_group_references=references,
            ),
            tags=self.site.tags,
            opts=self.site.options(),
        )

    def _hosts(self) -> aws.networkfirewall.RuleGroup:
        """The allow-list; `*.example.org` is `.example.org` to AWS."""
        source = aws.networkfirewall.RuleGroupRuleGroupRulesSourceRulesSourceListArgs(
            generated_rules_type="ALLOWLIST",
            target_types=["TLS_SNI", "HTTP_HOST"],
            targets=[host.removeprefix("*") for host in self.allowed],
        )
        return aws.networkfirewall.RuleGroup(
            self.site.name("wall-hosts"),
            name=self.site.name("wall-hosts"),
            type="STATEFUL",
            capacity=_CAPACITY,
            rule_group=aws.networkfirewall.RuleGroupRuleGroupArgs(
                rules_source=aws.networkfirewall.RuleGroupRuleGroupRulesSourceArgs(rules_source_list=source),
                stateful_rule_options=aws.networkfirewall.RuleGroupRuleGroupStatefulRuleOptionsArgs(
                    rule_order="STRICT_ORDER"
                ),
            ),
            tags=self.site.tags,
            opts=self.site.options(),
        )

    def _firewall(
        self, zone: str, vpc: Vpc, policy: aws.networkfirewall.FirewallPolicy
    ) -> aws.networkfirewall.Firewall:
        return aws.networkfirewall.Firewall(
            self.site.name(f"wall-{zone}"),
            name=self.site.name(f"wall-{zone}"),
            vpc_id=vpc.vpc.id,
            firewall_policy_arn=policy.arn,
            subnet_mappings=[aws.networkfirewall.FirewallSubnetMappingArgs(subnet_id=vpc.firewall[zone].id)],
            delete_protection=True,
            subnet_change_protection=True,
            firewall_policy_change_protection=False,
            tags=self.site.tags,
            opts=self.site.options(),
        )

    def _log(self, zone: str, firewall: aws.networkfirewall.Firewall, sink: Sink) -> None:
        """What was refused, and all flows, to the audit bucket."""
        logs = [
            aws.networkfirewall.LoggingConfigurationLoggingConfigurationLogDestinationConfigArgs(
                log_type=kind,
                log_destination_type="S3",
                log_destination={"bucketName": sink.bucket.id, "prefix": "wall"},
            )
            for kind in ("ALERT", "FLOW")
        ]
        aws.networkfirewall.LoggingConfiguration(
            self.site.name(f"wall-log-{zone}"),
            firewall_arn=firewall.arn,
            logging_configuration=aws.networkfirewall.LoggingConfigurationLoggingConfigurationArgs(
                log_destination_configs=logs
            ),
            opts=self.site.options(),
        )

    def _gateway(self, zone: str, vpc: Vpc) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(
            self.site.name(f"address-{zone}"), domain="vpc", tags=self.site.tags, opts=self.site.options()
        )
        return aws.ec2.NatGateway(
            self.site.name(f"gateway-{zone}"),
            allocation_id=address.id,
            subnet_id=vpc.edge[zone].id,
            connectivity_type="public",
            tags=self.site.tags,
            opts=self.site.options(depends_on=[self._internet]),
        )

    def _route(self, zone: str, vpc: Vpc) -> list[aws.ec2.Route]:
        """Out through firewall and gateway, and back the same way, so that the firewall sees both halves."""
        wall = self.firewalls[zone].firewall_statuses.apply(_endpoint)
        out = aws.ec2.Route(
            self.site.name(f"out-{zone}"),
            route_table_id=vpc.routes["nodes"][zone].id,
            destination_cidr_block="0.0.0.0/0",
            vpc_endpoint_id=wall,
            opts=self.site.options(),
        )
        on = aws.ec2.Route(
            self.site.name(f"on-{zone}"),
            route_table_id=vpc.routes["firewall"][zone].id,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=self.gateways[zone].id,
            opts=self.site.options(),
        )
        away = aws.ec2.Route(
            self.site.name(f"away-{zone}"),
            route_table_id=vpc.routes["edge"][zone].id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=self._internet.id,
            opts=self.site.options(),
        )
        back = aws.ec2.Route(
            self.site.name(f"back-{zone}"),
            route_table_id=vpc.routes["edge"][zone].id,
            destination_cidr_block=str(self.site.addresses.nodes[zone]),
            vpc_endpoint_id=wall,
            opts=self.site.options(),
        )
        return [out, on, away, back]

    def _open_doors(self, vpc: Vpc) -> None:
        group = aws.ec2.SecurityGroup(
            self.site.name("doors"),
            name=self.site.name("doors"),
            description="From the cell to the services of AWS in its region",
            vpc_id=vpc.vpc.id,
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    description="TLS from the nodes",
                    protocol="tcp",
                    from_port=443,
                    to_port=443,
                    cidr_blocks=[str(block) for block in self.site.addresses.nodes.values()],
                )
            ],
            egress=[],
            tags=self.site.tags,
            opts=self.site.options(),
        )
        for service in _SERVICES:
            self._door(service, vpc, group)

    def _door(self, service: str, vpc: Vpc, group: aws.ec2.SecurityGroup) -> aws.ec2.VpcEndpoint:
        """One service; the endpoint's policy lets through who belongs to this account, and nobody else."""
        own = {"StringEquals": {"aws:PrincipalAccount": self.site.spec.account}}
        statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": own}
        return aws.ec2.VpcEndpoint(
            self.site.name(f"{service.replace('.', '-')}-door"),
            vpc_id=vpc.vpc.id,
            service_name=f"com.amazonaws.{self.site.spec.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=vpc.subnets(self.site.spec.zones),
            security_group_ids=[group.id],
            policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            tags=self.site.tags,
            opts=self.site.options(),
        )


def _endpoint(statuses: list[aws.networkfirewall.outputs.FirewallFirewallStatus]) -> str:
    """The address of a firewall with one subnet."""
    states = statuses[0].sync_states or []
    attachments = states[0].attachments or []
    return attachments[0].endpoint_id or ""
