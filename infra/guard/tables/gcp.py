"""What Google Cloud's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Free, Given, Is, Least, Missing, Want

__all__ = ["WANTS"]

_BUCKET = "gcp:storage/bucket:Bucket"
_SQL = "gcp:sql/databaseInstance:DatabaseInstance"
_GKE = "gcp:container/cluster:Cluster"
_POOL = "gcp:container/nodePool:NodePool"
_LOGS = "gcp:logging/projectBucketConfig:ProjectBucketConfig"

_OWN_KEY = "Give the name of the cell's own Cloud KMS key."
_KEEP = "Deleting it would delete films, jobs or evidence; leave that to a person, by hand."

WANTS: Final = (
    Want("provider-in-region", "pulumi:providers:gcp", "region", Given(), "Pin the provider to the stack's region."),
    Want("own-account", "pulumi:providers:gcp", "project", Given(), "Name the cell's project."),
    Want("no-public-bucket", _BUCKET, "uniformBucketLevelAccess", Is((True,)), "ACLs could open single objects."),
    Want("no-public-bucket", _BUCKET, "publicAccessPrevention", Is(("enforced",)), "It outranks any grant."),
    Want("customer-key", _BUCKET, "encryption.defaultKmsKeyName", Given(), _OWN_KEY),
    Want("resource-in-region", _BUCKET, "location", Given(), "Without a location a bucket is in the multi-region US."),
    Want("no-replication", _BUCKET, "customPlacementConfig", Missing(), "A dual-region bucket lies in two places."),
    Want("no-replication", _BUCKET, "rpo", Missing(), "Turbo replication is for buckets in two places."),
    Want("no-casual-deletion", _BUCKET, "forceDestroy", Free((False,)), _KEEP),
    Want("customer-key", _SQL, "encryptionKeyName", Given(), _OWN_KEY),
    Want("no-public-database", _SQL, "settings.ipConfiguration.ipv4Enabled", Is((False,)), "Use the private network."),
    Want(
        "no-public-database",
        _SQL,
        "settings.ipConfiguration.pscConfigs[*].pscEnabled",
        Free((True,)),
        "The cell reaches it by a private endpoint of its own.",
    ),
    Want(
        "no-public-database", _SQL, "settings.ipConfiguration.authorizedNetworks", Missing(), "These are public ones."
    ),
    Want(
        "transport-tls",
        _SQL,
        "settings.ipConfiguration.sslMode",
        Is(("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")),
        "Plain connections are let in otherwise.",
    ),
    Want(
        "backups-stay",
        _SQL,
        "settings.backupConfiguration.location",
        Given(),
        "Cloud SQL keeps backups in the nearest multi-region unless told the region.",
    ),
    Want("no-casual-deletion", _SQL, "settings.backupConfiguration.enabled", Is((True,)), "Without it there are none."),
    Want("no-casual-deletion", _SQL, "deletionProtection", Free((True,)), _KEEP),
    Want("no-casual-deletion", _SQL, "settings.deletionProtectionEnabled", Is((True,)), _KEEP),
    Want("no-replication", _SQL, "masterInstanceName", Missing(), "A replica of another instance links two cells."),
    Want("no-replication", _SQL, "replicaNames", Missing(), "A replica may lie anywhere."),
    Want("customer-key", _GKE, "databaseEncryption.keyName", Given(), _OWN_KEY),
    Want(
        "encrypted", _GKE, "databaseEncryption.state", Is(("ENCRYPTED",)), "Secrets in etcd are in the clear otherwise."
    ),
    Want("no-public-node", _GKE, "privateClusterConfig.enablePrivateNodes", Is((True,)), "Nodes go out by NAT."),
    Want("no-casual-deletion", _GKE, "deletionProtection", Free((True,)), _KEEP),
    Want("no-long-lived-keys", _GKE, "workloadIdentityConfig.workloadPool", Given(), "Pods need no key then."),
    Want("narrow-rights", _GKE, "enableLegacyAbac", Free((False,)), "It lets any account of the cluster do anything."),
    Want("customer-key", _POOL, "nodeConfig.bootDiskKmsKey", Given(), _OWN_KEY),
    Want(
        "guarded-metadata",
        _POOL,
        "nodeConfig.workloadMetadataConfig.mode",
        Is(("GKE_METADATA",)),
        "Pods could take the node's identity otherwise.",
    ),
    Want("no-public-node", _POOL, "networkConfig.enablePrivateNodes", Free((True,)), "Nodes go out by NAT."),
    Want("key-rotates", "gcp:kms/cryptoKey:CryptoKey", "rotationPeriod", Given(), "Say 7776000s, which is 90 days."),
    Want(
        "has-audit-sink", "gcp:compute/subnetwork:Subnetwork", "logConfig", Given(), "Flows are not logged otherwise."
    ),
    Want("customer-key", _LOGS, "cmekSettings.kmsKeyName", Given(), _OWN_KEY),
    Want("audit-immutable", _LOGS, "locked", Is((True,)), "An unlocked log can be emptied."),
    Want("audit-immutable", _LOGS, "retentionDays", Least(90), "Evidence is kept for 90 days at least."),
    Want("audit-immutable", _BUCKET, "retentionPolicy.isLocked", Free((True,)), "An unlocked retention can be lifted."),
    Want(
        "no-public-load-balancer",
        "gcp:compute/forwardingRule:ForwardingRule",
        "loadBalancingScheme",
        Is(("INTERNAL", "INTERNAL_MANAGED", "")),  # the empty one is a private endpoint's
        "EXTERNAL is the default; say an internal scheme.",
    ),
)
