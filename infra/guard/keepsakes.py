"""What must outlive a mistake: types that hold films, jobs, keys or evidence are protected from deletion by Pulumi."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import Seen

__all__ = ["KEEPSAKES", "protected"]

KEEPSAKES: Final = frozenset(
    {
        "aws:s3/bucket:Bucket",
        "aws:rds/instance:Instance",
        "aws:kms/key:Key",
        "aws:cloudtrail/trail:Trail",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:eks/cluster:Cluster",
        "gcp:storage/bucket:Bucket",
        "gcp:sql/databaseInstance:DatabaseInstance",
        "gcp:sql/database:Database",
        "gcp:kms/keyRing:KeyRing",
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        "azure-native:storage:StorageAccount",
        "azure-native:storage:BlobContainer",
        "azure-native:dbforpostgresql:Server",
        "azure-native:dbforpostgresql:Database",
        "azure-native:keyvault:Vault",
        "azure-native:keyvault:Key",
        "alicloud:oss/bucket:Bucket",
        "alicloud:oss/bucketWorm:BucketWorm",
        "alicloud:rds/instance:Instance",
        "alicloud:rds/database:Database",
        "alicloud:kms/instance:Instance",
        "alicloud:kms/key:Key",
        "alicloud:actiontrail/trail:Trail",
        "alicloud:log/project:Project",
        "alicloud:log/store:Store",
        "ovh:CloudProject/storage:Storage",
        "ovh:CloudProject/database:Database",
        "ovh:CloudProjectDatabase/databaseInstance:DatabaseInstance",
        "scaleway:object/bucket:Bucket",
        "scaleway:databases/instance:Instance",
        "scaleway:databases/database:Database",
        "scaleway:keymanager/key:Key",
        "scaleway:observability/source:Source",
        "random:index/randomPassword:RandomPassword",
        "kubernetes:core/v1:PersistentVolumeClaim",
        "kubernetes:apps/v1:StatefulSet",
    }
)


def protected(seen: Seen, border: Border) -> Iterator[str]:  # noqa: ARG001 - as every rule is called
    """Data is protected: `pulumi up` and `pulumi destroy` stop before it."""
    if seen.type in KEEPSAKES and not seen.protected:
        yield "it holds data, keys or evidence and is not protected. Make it with ResourceOptions(protect=True)."
