"""What OVHcloud's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Given, Is, Missing, Want

__all__ = ["WANTS"]

_BUCKET = "ovh:CloudProject/storage:Storage"
_SQL = "ovh:CloudProject/database:Database"
_KUBE = "ovh:CloudProject/kube:Kube"
_POOL = "ovh:CloudProject/kubeNodePool:KubeNodePool"

WANTS: Final = (
    Want("provider-in-region", "pulumi:providers:ovh", "endpoint", Is(("ovh-eu",)), "The others are not in the EU."),
    Want("encrypted", _BUCKET, "encryption.sseAlgorithm", Is(("AES256",)), "Films are in the clear otherwise."),
    Want("own-account", _BUCKET, "serviceName", Given(), "Name the cell's project."),
    Want("no-replication", _BUCKET, "replication", Missing(), "Replication copies films to another bucket."),
    Want(
        "backups-stay",
        _SQL,
        "backupRegions",
        Given(),
        "OVHcloud keeps a second copy in a region of its choice unless told the region.",
    ),
    Want("no-casual-deletion", _SQL, "deletionProtection", Is((True,)), "Deleting it would delete all jobs."),
    Want(
        "no-public-database", _SQL, "nodes[*].networkId", Given(), "Without a network each node has a public address."
    ),
    Want("no-public-database", _SQL, "nodes[*].subnetId", Given(), "Name the cell's own subnet."),
    Want("no-public-database", _SQL, "ipRestrictions", Given(), "Name the cell's own network."),
    Want("own-account", _SQL, "serviceName", Given(), "Name the cell's project."),
    Want("own-network", _KUBE, "privateNetworkId", Given(), "Without it nodes stand in a public network."),
    Want(
        "no-open-egress",
        _KUBE,
        "privateNetworkConfiguration.privateNetworkRoutingAsDefault",
        Is((True,)),
        "Nodes would go out by public addresses of their own.",
    ),
    Want("own-account", _KUBE, "serviceName", Given(), "Name the cell's project."),
    Want("no-public-node", _POOL, "attachFloatingIps.enabled", Is((False,)), "Nodes go out by the gateway."),
)
