"""What Azure's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Free, Given, Is, Missing, Want

__all__ = ["WANTS"]

_STORE = "azure-native:storage:StorageAccount"
_SQL = "azure-native:dbforpostgresql:Server"
_AKS = "azure-native:containerservice:ManagedCluster"
_POOL = "azure-native:containerservice:AgentPool"
_VAULT = "azure-native:keyvault:Vault"

_OWN_KEY = "Give the URL of the cell's own key in its Key Vault."
_HERE = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS", "StandardV2_LRS", "StandardV2_ZRS")

WANTS: Final = (
    Want("own-account", "pulumi:providers:azure-native", "subscriptionId", Given(), "Name the cell's subscription."),
    Want("no-public-bucket", _STORE, "allowBlobPublicAccess", Is((False,)), "Anonymous reads are possible otherwise."),
    Want("no-public-bucket", _STORE, "publicNetworkAccess", Is(("Disabled",)), "The cell has a private endpoint."),
    Want("no-public-bucket", _STORE, "networkRuleSet.defaultAction", Is(("Deny",)), "Allow is the default."),
    Want("no-long-lived-keys", _STORE, "allowSharedKeyAccess", Is((False,)), "Account keys open everything, for ever."),
    Want("transport-tls", _STORE, "enableHttpsTrafficOnly", Free((True,)), "Films are not for plain HTTP."),
    Want("transport-tls", _STORE, "minimumTlsVersion", Is(("TLS1_2", "TLS1_3")), "Older versions are broken."),
    Want("no-geo-redundancy", _STORE, "sku.name", Is(_HERE), "Geo-redundant SKUs copy films to a paired region."),
    Want("no-replication", _STORE, "allowCrossTenantReplication", Is((False,)), "Objects could be copied away."),
    Want("customer-key", _STORE, "encryption.keySource", Is(("Microsoft.Keyvault",)), _OWN_KEY),
    Want("customer-key", _STORE, "encryption.keyVaultProperties.keyName", Given(), _OWN_KEY),
    Want(
        "no-geo-redundancy",
        _SQL,
        "backup.geoRedundantBackup",
        Is(("Disabled",)),
        "It sends backups to a paired region.",
    ),
    Want(
        "no-geo-redundancy", _SQL, "dataEncryption.geoBackupKeyURI", Missing(), "There is no backup in another region."
    ),
    Want(
        "no-public-database", _SQL, "network.delegatedSubnetResourceId", Given(), "Place it in the cell's own subnet."
    ),
    Want(
        "no-public-database", _SQL, "network.publicNetworkAccess", Free(("Disabled",)), "The cell's network reaches it."
    ),
    Want("customer-key", _SQL, "dataEncryption.type", Is(("AzureKeyVault",)), _OWN_KEY),
    Want("customer-key", _SQL, "dataEncryption.primaryKeyURI", Given(), _OWN_KEY),
    Want("no-replication", _SQL, "createMode", Free(("Default", "Create", "Update")), "Replicas may lie anywhere."),
    Want("no-replication", _SQL, "sourceServerResourceId", Missing(), "It would copy another cell's database."),
    Want(
        "no-public-control-plane",
        _AKS,
        "apiServerAccessProfile.enablePrivateClusterPublicFQDN",
        Free((False,)),
        "The name alone tells outsiders of the cell.",
    ),
    Want(
        "no-open-egress",
        _AKS,
        "networkProfile.outboundType",
        Is(("userDefinedRouting", "none")),
        "Route by the firewall.",
    ),
    Want("customer-key", _AKS, "securityProfile.azureKeyVaultKms.enabled", Is((True,)), "etcd needs a key of yours."),
    Want("customer-key", _AKS, "securityProfile.azureKeyVaultKms.keyId", Given(), _OWN_KEY),
    Want("customer-key", _AKS, "diskEncryptionSetID", Given(), "Disks of nodes need a key of yours."),
    Want(
        "narrow-rights",
        _AKS,
        "disableLocalAccounts",
        Is((True,)),
        "Local accounts are administrators with a certificate.",
    ),
    Want("narrow-rights", _AKS, "enableRBAC", Free((True,)), "Without it everybody is an administrator."),
    Want("no-long-lived-keys", _AKS, "oidcIssuerProfile.enabled", Is((True,)), "Pods need no key then."),
    Want(
        "no-public-node", _AKS, "agentPoolProfiles[*].enableNodePublicIP", Free((False,)), "Nodes go by the firewall."
    ),
    Want("no-public-node", _POOL, "enableNodePublicIP", Free((False,)), "Nodes go by the firewall."),
    Want("encrypted", _POOL, "enableEncryptionAtHost", Is((True,)), "Temporary disks are in the clear otherwise."),
    Want(
        "no-casual-deletion", _VAULT, "properties.enablePurgeProtection", Is((True,)), "A purged key takes films along."
    ),
    Want(
        "no-casual-deletion", _VAULT, "properties.enableSoftDelete", Free((True,)), "A deleted key could not come back."
    ),
    Want(
        "no-public-bucket", _VAULT, "properties.publicNetworkAccess", Is(("disabled", "Disabled")), "Use the endpoint."
    ),
    Want("no-public-bucket", _VAULT, "properties.networkAcls.defaultAction", Is(("Deny",)), "Allow is the default."),
    Want("key-rotates", "azure-native:keyvault:Key", "properties.rotationPolicy", Given(), "Rotate every 90 days."),
    Want("customer-key", "azure-native:compute:DiskEncryptionSet", "activeKey.keyUrl", Given(), _OWN_KEY),
    Want(
        "no-open-egress",
        "azure-native:network:Subnet",
        "defaultOutboundAccess",
        Is((False,)),
        "The default is a way out.",
    ),
)
