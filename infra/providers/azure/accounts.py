"""A storage account without a public side: what films and audit logs have in common."""

from __future__ import annotations

from typing import Final

import pulumi_azure_native as azure

from infra.providers.azure.keys import Keys
from infra.site import Site

__all__ = ["account"]

_LONGEST: Final = 24  # letters of an account's name, which may be small letters and digits only


def account(
    site: Site,
    role: str,
    group: azure.resources.ResourceGroup,
    keys: Keys,
    key: azure.keyvault.Key,
    user: azure.managedidentity.UserAssignedIdentity,
    *,
    bypass: str = "None",
    immutable: azure.storage.ImmutableStorageAccountArgs | None = None,
) -> azure.storage.StorageAccount:
    """Private, under one key, copies in the region's zones only, and no account keys."""
    return azure.storage.StorageAccount(
        site.name(role),
        account_name=site.global_name(role).replace("-", "")[-_LONGEST:],
        resource_group_name=group.name,
        location=site.spec.region,
        kind="StorageV2",
        sku=azure.storage.SkuArgs(name="Standard_ZRS" if len(site.spec.zones) > 1 else "Standard_LRS"),
        access_tier=azure.storage.AccessTier.HOT,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        allow_shared_key_access=False,
        allowed_copy_scope="PrivateLink",
        default_to_o_auth_authentication=True,
        enable_https_traffic_only=True,
        is_local_user_enabled=False,
        is_sftp_enabled=False,
        minimum_tls_version="TLS1_2",
        public_network_access="Disabled",
        network_rule_set=azure.storage.NetworkRuleSetArgs(
            default_action=azure.storage.DefaultAction.DENY, bypass=bypass
        ),
        identity=azure.storage.IdentityArgs(type="UserAssigned", user_assigned_identities=[user.id]),
        encryption=azure.storage.EncryptionArgs(
            key_source="Microsoft.Keyvault",
            require_infrastructure_encryption=True,
            encryption_identity=azure.storage.EncryptionIdentityArgs(encryption_user_assigned_identity=user.id),
            key_vault_properties=azure.storage.KeyVaultPropertiesArgs(
                key_name=key.name, key_vault_uri=keys.vault.properties.vault_uri
            ),
        ),
        tags=site.tags,
        immutable_storage_with_versioning=immutable,
        opts=site.data_options(depends_on=keys.granted),
    )
