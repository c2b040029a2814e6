"""Films and uploads: one container in an account that only the cell's own network reaches."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.accounts import account
from infra.providers.azure.keys import Keys
from infra.providers.azure.network import Vnet
from infra.providers.protocol import Control, State, Store
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Films"]


class Films:
    """The account and its one container."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet, keys: Keys) -> None:
        self.account = account(site, "films", group, keys, keys.films, keys.films_user)
        azure.storage.BlobServiceProperties(
            site.name("films-service"),
            account_name=self.account.name,
            resource_group_name=group.name,
            blob_services_name="default",
            is_versioning_enabled=False,
            delete_retention_policy=azure.storage.DeleteRetentionPolicyArgs(enabled=False),
            container_delete_retention_policy=azure.storage.DeleteRetentionPolicyArgs(enabled=False),
            opts=site.options(),
        )
        self.container = azure.storage.BlobContainer(
            site.name("films-container"),
            container_name="films",
            account_name=self.account.name,
            resource_group_name=group.name,
            public_access=azure.storage.PublicAccess.NONE,
            opts=site.data_options(),
        )
        vnet.door(site, "films", self.account.id, "blob", vnet.names("films", "privatelink.blob.core.windows.net"))

    def part(self) -> Store:
        """As the protocol wants it."""
        said = {
            "store.customer-key": (
                State.CONFIGURED,
                "The account is under the cell's key, and Azure encrypts once more.",
            ),
            "store.no-public-access": (
                State.ENFORCED,
                "No public side: a private endpoint in the cell's network alone.",
            ),
            "store.region": (State.ENFORCED, "Copies are in zones of the region; the SKU has no other place."),
            "store.no-replication": (State.CONFIGURED, "No object replication; no versions and no soft delete."),
            "store.tls": (State.ENFORCED, "The account refuses plain HTTP and TLS before 1.2."),
        }
        return Store(
            url=pulumi.Output.concat("az://", self.account.name, "/", self.container.name),
            options={"azure_storage_use_federated_token": "true"},
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )
