"""Cloud SQL: no public address, reached by a private endpoint in the cell's subnet, with backups in the region."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.password import password
from infra.providers.gcp.keys import Keys
from infra.providers.gcp.network import Vpc
from infra.providers.protocol import Control, Database, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Postgres"]

#: No statement in a log: statements can hold a prompt.
_FLAGS: Final = {"log_statement": "none", "log_min_duration_statement": "-1"}


class Postgres:
    """One instance with a standby in another zone where the cell has more than one."""

    def __init__(self, site: Site, vpc: Vpc, keys: Keys) -> None:
        self._site = site
        self._password = password(site, "database")
        self._instance = gcp.sql.DatabaseInstance(
            site.name("database"),
            name=site.name("database"),
            project=site.spec.account,
            region=site.spec.region,
            database_version=f"POSTGRES_{site.spec.database.version}",
            encryption_key_name=keys.jobs.id,
            deletion_protection=True,
            settings=self._settings(),
            opts=site.data_options(depends_on=keys.granted, secrets=["serverCaCerts"]),
        )
        gcp.sql.Database(
            site.name("database-jobs"),
            name="equerry",
            project=site.spec.account,
            instance=self._instance.name,
            deletion_policy="ABANDON",
            opts=site.data_options(),
        )
        gcp.sql.User(
            site.name("database-user"),
            name="equerry",
            project=site.spec.account,
            instance=self._instance.name,
            password=self._password,
            deletion_policy="ABANDON",
            opts=site.options(),
        )
        self._address = self._endpoint(vpc)

    def part(self) -> Database:
        """As the protocol wants it."""
        said = {
            "database.customer-key": (State.CONFIGURED, "Storage and backups are under the cell's key."),
            "database.private": (State.ENFORCED, "No public address; a policy of the project forbids one."),
            "database.backups-in-region": (
                State.CONFIGURED,
                "The backups' location is the region, not the multi-region.",
            ),
            "database.tls": (
                State.ENFORCED,
                "TLS or nothing; the certificate is checked by its authority and not by name.",
            ),
        }
        return Database(
            url=pulumi.Output.concat("postgresql://equerry@", self._address.address, ":5432/equerry"),
            password=self._password,
            verify="verify-ca",  # the endpoint is an address, and Google makes certificates out to the instance
            ca=self._instance.server_ca_certs.apply(lambda certs: certs[0].cert if certs else ""),
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _settings(self) -> gcp.sql.DatabaseInstanceSettingsArgs:
        site, wanted = self._site, self._site.spec.database
        return gcp.sql.DatabaseInstanceSettingsArgs(
            tier=wanted.machine,
            edition="ENTERPRISE",
            availability_type="REGIONAL" if len(site.spec.zones) > 1 else "ZONAL",
            disk_size=wanted.storage,
            disk_type="PD_SSD",
            disk_autoresize=True,
            deletion_protection_enabled=True,
            user_labels=site.labels,
            location_preference=gcp.sql.DatabaseInstanceSettingsLocationPreferenceArgs(zone=site.spec.zones[0]),
            backup_configuration=gcp.sql.DatabaseInstanceSettingsBackupConfigurationArgs(
                enabled=True,
                location=site.spec.region,
                point_in_time_recovery_enabled=True,
                transaction_log_retention_days=7,
                backup_retention_settings=gcp.sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
                    retained_backups=wanted.backups, retention_unit="COUNT"
                ),
            ),
            ip_configuration=gcp.sql.DatabaseInstanceSettingsIpConfigurationArgs(
                ipv4_enabled=False,
                ssl_mode="ENCRYPTED_ONLY",
                psc_configs=[
                    gcp.sql.DatabaseInstanceSettingsIpConfigurationPscConfigArgs(
                        psc_enabled=True, allowed_consumer_projects=[site.spec.account]
                    )
                ],
            ),
            database_flags=[
                gcp.sql.DatabaseInstanceSettingsDatabaseFlagArgs(name=name, value=value)
                for name, value in _FLAGS.items()
            ],
            insights_config=gcp.sql.DatabaseInstanceSettingsInsightsConfigArgs(query_insights_enabled=False),
        )

    def _endpoint(self, vpc: Vpc) -> gcp.compute.Address:
        """An address in the cell's own subnet that leads to the instance and nowhere else."""
        site = self._site
        address = gcp.compute.Address(
            site.name("database-address"),
            name=site.name("database-address"),
            project=site.spec.account,
            region=site.spec.region,
            address_type="INTERNAL",
            subnetwork=vpc.subnet.id,
            labels=site.labels,
            opts=site.options(),
        )
        gcp.compute.ForwardingRule(
            site.name("database-endpoint"),
            name=site.name("database-endpoint"),
            project=site.spec.account,
            region=site.spec.region,
            network=vpc.network.id,
            ip_address=address.self_link,
            load_balancing_scheme="",
            target=self._instance.psc_service_attachment_link,
            allow_psc_global_access=False,
            labels=site.labels,
            opts=site.options(),
        )
        return address
