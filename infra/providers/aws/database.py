"""Postgres in the data subnets: private, under the cell's key, with backups that stay in the region."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.password import password
from infra.providers.aws.keys import Keys
from infra.providers.aws.network import Vpc
from infra.providers.protocol import Control, Database, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Postgres"]


class Postgres:
    """One instance with a standby in another zone where the cell has more than one."""

    def __init__(self, site: Site, vpc: Vpc, keys: Keys) -> None:
        self._site = site
        wanted = site.spec.database
        self._password = password(site, "database")
        group = aws.rds.SubnetGroup(
            site.name("database-subnets"),
            name=site.name("database-subnets"),
            subnet_ids=[subnet.id for subnet in vpc.data.values()],
            tags=site.tags,
            opts=site.options(),
        )
        self._instance = aws.rds.Instance(
            site.name("database"),
            identifier=site.name("database"),
            engine="postgres",
            engine_version=wanted.version,
            instance_class=wanted.machine,
            allocated_storage=wanted.storage,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=keys.jobs.arn,
            db_name="equerry",
            username="equerry",
            password=self._password,
            port=5432,
            multi_az=len(site.spec.zones) > 1,
            publicly_accessible=False,
            db_subnet_group_name=group.name,
            vpc_security_group_ids=[self._group(vpc).id],
            parameter_group_name=self._parameters(wanted.version).name,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            backup_retention_period=wanted.backups,
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=True,
            skip_final_snapshot=False,
            final_snapshot_identifier=site.name("database-last"),
            auto_minor_version_upgrade=True,
            iam_database_authentication_enabled=False,
            performance_insights_enabled=False,
            tags=site.tags,
            opts=site.data_options(secrets=["password"]),
        )

    def part(self) -> Database:
        """As the protocol wants it."""
        return Database(
            url=pulumi.Output.concat("postgresql://equerry@", self._instance.endpoint, "/equerry"),
            password=self._password,
            controls=_controls(),
        )

    def _group(self, vpc: Vpc) -> aws.ec2.SecurityGroup:
        """From the nodes, to Postgres; nothing out."""
        return aws.ec2.SecurityGroup(
            self._site.name("database-group"),
            name=self._site.name("database-group"),
            description="From the nodes to Postgres",
            vpc_id=vpc.vpc.id,
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    description="Postgres from the nodes",
                    protocol="tcp",
                    from_port=5432,
                    to_port=5432,
                    cidr_blocks=[str(block) for block in self._site.addresses.nodes.values()],
                )
            ],
            egress=[],
            tags=self._site.tags,
            opts=self._site.options(),
        )

    def _parameters(self, version: str) -> aws.rds.ParameterGroup:
        """TLS or nothing, and no statement in a log: statements can hold a prompt."""
        wanted = {"rds.force_ssl": "1", "log_statement": "none", "log_min_duration_statement": "-1"}
        return aws.rds.ParameterGroup(
            self._site.name("database-parameters"),
            name=self._site.name("database-parameters"),
            family=f"postgres{version}",
            parameters=[aws.rds.ParameterGroupParameterArgs(name=name, value=value) for name, value in wanted.items()],
            tags=self._site.tags,
            opts=self._site.options(),
        )


def _controls() -> tuple[Control, ...]:
    said = {
        "database.customer-key": (State.CONFIGURED, "Storage, logs, backups and snapshots are under the cell's key."),
        "database.private": (State.CONFIGURED, "No public address; only the nodes' subnets reach port 5432."),
        "database.backups-in-region": (State.CONFIGURED, "Backups stay in the region; no copy and no replica is made."),
        "database.tls": (State.ENFORCED, "Postgres refuses connections without TLS."),
    }
    return tuple(
        Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note) for name, (state, note) in said.items()
    )
