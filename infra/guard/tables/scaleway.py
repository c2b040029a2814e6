"""What Scaleway's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Free, Given, Is, Want

__all__ = ["WANTS"]

_BUCKET = "scaleway:object/bucket:Bucket"
_CRYPT = "scaleway:object/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_SQL = "scaleway:databases/instance:Instance"
_KUBE = "scaleway:kubernetes/cluster:Cluster"
_POOL = "scaleway:kubernetes/pool:Pool"
_KEY = "scaleway:keymanager/key:Key"
_GATE = "scaleway:network/publicGateway:PublicGateway"
_WALL = "scaleway:instance/securityGroup:SecurityGroup"

_OWN_KEY = "Give the id of the cell's own Key Manager key."

WANTS: Final = (
    Want(
        "provider-in-region", "pulumi:providers:scaleway", "region", Given(), "Pin the provider to the stack's region."
    ),
    Want("own-account", "pulumi:providers:scaleway", "projectId", Given(), "Name the cell's project."),
    Want("no-casual-deletion", _BUCKET, "forceDestroy", Free((False,)), "Deleting it would delete films."),
    Want("no-public-bucket", _BUCKET, "acl", Free(("private",)), "Say who may read in the bucket's policy."),
    Want(
        "no-public-bucket", "scaleway:object/bucketAcl:BucketAcl", "acl", Is(("private",)), "Anything else is public."
    ),
    Want("encrypted", _CRYPT, "rules[*].applyServerSideEncryptionByDefault.sseAlgorithm", Is(("aws:kms",)), _OWN_KEY),
    Want("customer-key", _CRYPT, "rules[*].applyServerSideEncryptionByDefault.kmsMasterKeyId", Given(), _OWN_KEY),
    Want("encrypted", _SQL, "encryptionAtRest", Is((True,)), "Volumes are in the clear otherwise."),
    Want(
        "backups-stay",
        _SQL,
        "backupSameRegion",
        Is((True,)),
        "Scaleway keeps backups in another region unless told to stay.",
    ),
    Want("no-casual-deletion", _SQL, "disableBackup", Free((False,)), "Without backups a mistake is final."),
    Want("no-public-database", _SQL, "privateNetwork.pnId", Given(), "Without it the instance is public."),
    Want("own-network", _KUBE, "privateNetworkId", Given(), "Name the cell's own private network."),
    Want(
        "no-casual-deletion", _KUBE, "deleteAdditionalResources", Is((False,)), "It deletes volumes with the cluster."
    ),
    Want("no-public-node", _POOL, "publicIpDisabled", Is((True,)), "Nodes have public addresses otherwise."),
    Want("no-open-egress", _POOL, "securityGroupId", Given(), "The default group lets everything in and out."),
    Want("no-open-egress", _WALL, "outboundDefaultPolicy", Is(("drop",)), "accept is the default."),
    Want("no-open-ingress", _WALL, "inboundDefaultPolicy", Is(("drop",)), "accept is the default."),
    Want("no-casual-deletion", _KEY, "unprotected", Free((False,)), "An unprotected key can be deleted at once."),
    Want("key-rotates", _KEY, "rotationPolicy.rotationPeriod", Given(), "Say 2160h, which is 90 days."),
    Want("no-open-ingress", _GATE, "bastionEnabled", Free((False,)), "A bastion listens on the internet."),
    Want("no-open-egress", _GATE, "enableSmtp", Free((False,)), "The cell sends no mail."),
)
