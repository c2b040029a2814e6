"""Postgres, flexible server, inside the cell's network: no public side, the cell's key, backups in the region."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_azure_native as azure

from infra.password import password
from infra.providers.azure.keys import Keys
from infra.providers.azure.network import Vnet
from infra.providers.protocol import Control, Database, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Postgres"]

#: TLS or nothing, and no statement in a log: statements can hold a prompt.
_SETTINGS: Final = {"require_secure_transport": "ON", "ssl_min_protocol_version": "TLSv1.2", "log_statement": "none"}


class Postgres:
    """One server with a standby in another zone where the cell has more than one."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet, keys: Keys) -> None:
        self._site = site
        self._password = password(site, "database")
        wanted = site.spec.database
        zones = site.spec.zones
        names = vnet.names("database", f"{site.name('database')}.private.postgres.database.azure.com")
        self._server = azure.dbforpostgresql.Server(
            site.name("database"),
            server_name=site.global_name("database"),
            resource_group_name=group.name,
            location=site.spec.region,
            version=wanted.version,
            administrator_login="equerry",
            administrator_login_password=self._password,
            auth_config=azure.dbforpostgresql.AuthConfigArgs(password_auth="Enabled", active_directory_auth="Disabled"),
            sku=azure.dbforpostgresql.SkuArgs(name=wanted.machine, tier="GeneralPurpose"),
            storage=azure.dbforpostgresql.StorageArgs(storage_size_gb=wanted.storage, auto_grow="Enabled"),
            availability_zone=zones[0],
            high_availability=azure.dbforpostgresql.HighAvailabilityArgs(
                mode="ZoneRedundant" if len(zones) > 1 else "SameZone",
                standby_availability_zone=zones[1] if len(zones) > 1 else zones[0],
            ),
            backup=azure.dbforpostgresql.BackupArgs(
                backup_retention_days=max(wanted.backups, 7), geo_redundant_backup="Disabled"
            ),
            network=azure.dbforpostgresql.NetworkArgs(
                delegated_subnet_resource_id=vnet.data.id,
                private_dns_zone_arm_resource_id=names.id,
                public_network_access="Disabled",
            ),
            identity=azure.dbforpostgresql.UserAssignedIdentityArgs(
                type="UserAssigned", user_assigned_identities=keys.jobs_user.id.apply(_only)
            ),
            data_encryption=azure.dbforpostgresql.DataEncryptionArgs(
                type="AzureKeyVault",
                primary_key_uri=keys.jobs.key_uri,
                primary_user_assigned_identity_id=keys.jobs_user.id,
            ),
            tags=site.tags,
            opts=site.data_options(depends_on=[names, *keys.granted]),
        )
        azure.dbforpostgresql.Database(
            site.name("database-jobs"),
            database_name="equerry",
            server_name=self._server.name,
            resource_group_name=group.name,
            charset="UTF8",
            opts=site.data_options(),
        )
        for name, value in _SETTINGS.items():
            self._set(group, name, value)

    def part(self) -> Database:
        """As the protocol wants it."""
        said = {
            "database.customer-key": (State.CONFIGURED, "Data and backups are under the cell's key."),
            "database.private": (State.ENFORCED, "The server stands in the cell's network and has no public side."),
            "database.backups-in-region": (
                State.CONFIGURED,
                "Geo-redundant backup is off, and cannot be switched on later.",
            ),
            "database.tls": (State.ENFORCED, "The server refuses connections without TLS 1.2."),
        }
        host = self._server.fully_qualified_domain_name
        return Database(
            url=pulumi.Output.concat("postgresql://equerry@", host, ":5432/equerry"),
            password=self._password,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _set(self, group: azure.resources.ResourceGroup, name: str, value: str) -> None:
        azure.dbforpostgresql.Configuration(
            self._site.name(f"database-{name.replace('_', '-')}"),
            configuration_name=name,
            server_name=self._server.name,
            resource_group_name=group.name,
            source="user-override",
            value=value,
            opts=self._site.options(),
        )


def _only(user: str) -> dict[str, azure.dbforpostgresql.UserIdentityArgs]:
    """One identity, as this API spells a set of them."""
    return {user: azure.dbforpostgresql.UserIdentityArgs()}
