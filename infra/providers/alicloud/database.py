"""Postgres in two zones, encrypted with the cell's key, reached from the nodes alone."""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud
import pulumi_random as random

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import says
from infra.providers.protocol import Database, State
from infra.site import Site

__all__ = ["make"]


def make(site: Site, ground: Ground, key: alicloud.kms.Key) -> Database:
    """The part."""
    instance = _instance(site, ground, key)
    alicloud.rds.BackupPolicy(
        site.name("jobs"),
        instance_id=instance.id,
        backup_retention_period=max(site.spec.database.backups, 7),
        preferred_backup_periods=["Monday", "Wednesday", "Friday", "Sunday"],
        enable_backup_log=True,
        log_backup_retention_period=max(site.spec.database.backups, 7),
        released_keep_policy="All",
        opts=site.options(),
    )
    jobs = alicloud.rds.Database(
        site.name("jobs"), instance_id=instance.id, data_base_name="equerry", opts=site.data_options()
    )
    password = random.RandomPassword(
        site.name("database"),
        length=32,
        min_lower=1,
        min_upper=1,
        min_numeric=1,
        min_special=1,
        override_special="!@#$%^&*()_+-=",  # what RDS accepts
        opts=pulumi.ResourceOptions(parent=site.parent, protect=True, additional_secret_outputs=["result"]),
    )
    account = alicloud.rds.RdsAccount(
        site.name("jobs"),
        db_instance_id=instance.id,
        account_name="equerry",
        account_type="Super",  # the one kind that may make the tables of a database of its own
        account_password=password.result,
        opts=site.options(secrets=["accountPassword"]),
    )
    controls = (
        says("database.customer-key", State.CONFIGURED, "Volumes and backups are encrypted with the cell's KMS key."),
        says(
            "database.private", State.CONFIGURED, "An address in the VPC, no public one, and a list of the cell's own."
        ),
        says(
            "database.backups-in-region", State.CONFIGURED, "No cross-region backup is set, and the guard refuses any."
        ),
        says("database.tls", State.CONFIGURED, "TLS is on with the cloud's certificate; the cell demands it."),
    )
    return Database(
        url=pulumi.Output.all(instance.connection_string, account.account_name, jobs.data_base_name).apply(
            lambda found: f"postgresql://{found[1]}@{found[0]}:5432/{found[2]}"
        ),
        password=pulumi.Output.secret(password.result),
        controls=controls,
    )


def _instance(site: Site, ground: Ground, key: alicloud.kms.Key) -> alicloud.rds.Instance:
    wanted = site.spec.database
    first, second = (*site.spec.zones[:2], site.spec.zones[0])[:2]
    return alicloud.rds.Instance(
        site.name("jobs"),
        instance_name=site.name("jobs"),
        engine="PostgreSQL",
        engine_version=f"{wanted.version}.0",
        category="HighAvailability",
        instance_type=wanted.machine,
        instance_storage=wanted.storage,
        db_instance_storage_type="cloud_essd",
        instance_charge_type="Postpaid",
        vpc_id=ground.vpc.id,
        vswitch_id=pulumi.Output.concat(ground.data[first].id, ",", ground.data[second].id),
        zone_id=first,
        zone_id_slave_a=second,
        security_ips=[str(network) for network in site.addresses.nodes.values()],
        encryption_key=key.id,
        ssl_action="Open",
        ca_type="aliyun",
        deletion_protection=True,
        auto_upgrade_minor_version="Auto",
        tags=site.tags,
        opts=site.data_options(),
    )
