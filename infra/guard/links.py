"""Things that no cell has: links to other networks, copies elsewhere, edges all over the world, keys that last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import Seen

__all__ = ["FORBIDDEN", "forbidden"]

_LINK = "It links the cell to another network; a cell is peered with nothing. Remove it."
_COPY = "It keeps a copy elsewhere; what a cell holds stays in its one region. Remove it."
_EDGE = "It serves from points all over the world; films leave from their own cell alone. Remove it."
_LASTING = "Such a key is good for ever, from everywhere. Let pods take a role by the cluster's identity."

#: Patterns of types by rule, each with the reason and what to do.
FORBIDDEN: Final[tuple[tuple[str, str, str], ...]] = (
    ("no-links", "pulumi:pulumi:StackReference", "It reads another stack's outputs. Say the value in the stack file."),
    ("no-links", "aws:ec2/vpcPeeringConnection*", _LINK),
    ("no-links", "aws:ec2/peeringConnection*", _LINK),
    ("no-links", "aws:ec2transitgateway/*", _LINK),
    ("no-links", "aws:ec2/vpn*", _LINK),
    ("no-links", "aws:directconnect/*", _LINK),
    ("no-links", "aws:ram/*", _LINK),
    ("no-links", "aws:networkmanager/*", _LINK),
    ("no-links", "gcp:compute/networkPeering*", _LINK),
    ("no-links", "gcp:compute/vPN*", _LINK),
    ("no-links", "gcp:compute/haVpnGateway*", _LINK),
    ("no-links", "gcp:compute/interconnect*", _LINK),
    ("no-links", "gcp:compute/sharedVPC*", _LINK),
    ("no-links", "gcp:networkconnectivity/*", _LINK),
    ("no-links", "azure-native:network:VirtualNetworkPeering", _LINK),
    ("no-links", "azure-native:network:Virtual*Wan", _LINK),
    ("no-links", "azure-native:network:VirtualHub*", _LINK),
    ("no-links", "azure-native:network:Vpn*", _LINK),
    ("no-links", "azure-native:network:VirtualNetworkGateway*", _LINK),
    ("no-links", "azure-native:network:ExpressRoute*", _LINK),
    ("no-links", "alicloud:vpc/peerConnection*", _LINK),
    ("no-links", "alicloud:cen/*", _LINK),
    ("no-links", "alicloud:vpn/*", _LINK),
    ("no-links", "alicloud:expressconnect/*", _LINK),
    ("no-links", "alicloud:resourcemanager/resourceShare:*", _LINK),
    ("no-links", "ovh:Vrack/*", _LINK),
    ("no-links", "ovh:index/ovhcloudConnect*", _LINK),
    ("no-links", "scaleway:network/connector:*", _LINK),
    ("no-links", "scaleway:s2svpn/*", _LINK),
    ("no-links", "scaleway:interlink/*", _LINK),
    ("no-replication", "aws:s3/bucketReplicationConfig:*", _COPY),
    ("no-replication", "aws:rds/instanceAutomatedBackupsReplication:*", _COPY),
    ("no-replication", "aws:rds/globalCluster:*", _COPY),
    ("no-replication", "aws:kms/replica*", _COPY),
    ("no-replication", "aws:ecr/replicationConfiguration:*", _COPY),
    ("no-replication", "aws:dynamodb/globalTable:*", _COPY),
    ("no-replication", "aws:s3control/multiRegionAccessPoint*", _COPY),
    ("no-replication", "aws:ebs/snapshotCopy:*", _COPY),
    ("no-replication", "gcp:storage/transfer*", _COPY),
    ("no-replication", "azure-native:storage:ObjectReplicationPolicy", _COPY),
    ("no-replication", "azure-native:recoveryservices:Replication*", _COPY),
    ("no-replication", "azure-native:dbforpostgresql:VirtualEndpoint", _COPY),
    ("no-replication", "alicloud:oss/bucketReplication:*", _COPY),
    ("no-replication", "alicloud:rds/readOnlyInstance:*", _COPY),
    ("backups-stay", "alicloud:rds/rdsInstanceCrossBackupPolicy:*", _COPY),
    ("backups-stay", "alicloud:rds/ddrInstance:*", _COPY),
    ("no-replication", "ovh:index/cloudProjectStorageReplicationJob:*", _COPY),
    ("no-replication", "scaleway:databases/readReplica:*", _COPY),
    ("no-global-edge", "aws:cloudfront/*", _EDGE),
    ("no-global-edge", "aws:globalaccelerator/*", _EDGE),
    ("no-global-edge", "aws:s3/bucketAccelerateConfiguration*", _EDGE),
    ("no-global-edge", "gcp:compute/backendBucket*", _EDGE),
    ("no-global-edge", "gcp:compute/global*orwardingRule*", _EDGE),
    ("no-global-edge", "gcp:networkservices/edgeCache*", _EDGE),
    ("no-global-edge", "azure-native:cdn:*", _EDGE),
    ("no-global-edge", "azure-native:frontdoor:*", _EDGE),
    ("no-global-edge", "azure-native:trafficmanager:*", _EDGE),
    ("no-global-edge", "alicloud:cdn/*", _EDGE),
    ("no-global-edge", "alicloud:dcdn/*", _EDGE),
    ("no-global-edge", "alicloud:ga/*", _EDGE),
    ("no-global-edge", "alicloud:oss/bucketTransferAcceleration:*", _EDGE),
    ("no-global-edge", "scaleway:edgeservices/*", _EDGE),
    ("no-long-lived-keys", "aws:iam/accessKey:*", _LASTING),
    ("no-long-lived-keys", "aws:iam/user:*", _LASTING),
    ("no-long-lived-keys", "gcp:serviceaccount/key:*", _LASTING),
    ("no-long-lived-keys", "gcp:storage/hmacKey:*", _LASTING),
)


def forbidden(rule: str) -> Callable[[Seen, Border], Iterator[str]]:
    """The check for one rule's patterns."""
    patterns = [(pattern, reason) for name, pattern, reason in FORBIDDEN if name == rule]

    def check(seen: Seen, border: Border) -> Iterator[str]:  # noqa: ARG001 - as every rule is called
        for pattern, reason in patterns:
            if fnmatchcase(seen.type, pattern):
                yield f"{seen.type} has no place in a cell. {reason}"

    return check
