"""How the cell's pods become a role of AWS without a key: EKS Pod Identity."""

from __future__ import annotations

from typing import Final

import pulumi_aws as aws

from infra.providers.aws.cluster import Kubernetes
from infra.providers.aws.guard import Boundary
from infra.providers.aws.keys import Keys
from infra.providers.aws.names import allow, document, trust
from infra.providers.aws.store import Films
from infra.providers.protocol import Control, Identity, State
from infra.site import NAMESPACE, SERVICE_ACCOUNT, Site
from policies.constraints import Evidence

__all__ = ["Studio"]

_OBJECTS: Final = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


class Studio:
    """The role that reads and writes films, and does nothing else."""

    def __init__(self, site: Site, kubernetes: Kubernetes, films: Films, keys: Keys, boundary: Boundary) -> None:
        self._role = aws.iam.Role(
            site.name("studio-role"),
            name=site.name("studio-role"),
            assume_role_policy=trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
            permissions_boundary=boundary.arn,
            max_session_duration=3600,
            tags=site.tags,
            opts=site.options(),
        )
        objects = [films.bucket.arn.apply("{}/*".format)]
        aws.iam.RolePolicy(
            site.name("studio-policy"),
            name=site.name("studio-policy"),
            role=self._role.id,
            policy=document(
                allow("Films", _OBJECTS, objects),
                allow("List", ["s3:ListBucket"], [films.bucket.arn]),
                allow("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [keys.films.arn]),
            ),
            opts=site.options(),
        )
        aws.eks.PodIdentityAssociation(
            site.name("studio-pods"),
            cluster_name=kubernetes.cluster.name,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
            role_arn=self._role.arn,
            tags=site.tags,
            opts=site.options(),
        )

    def part(self) -> Identity:
        """As the protocol wants it; Pod Identity needs no annotation."""
        return Identity(
            controls=(
                Control(
                    id="identity.no-long-lived-keys",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Pods get credentials of an hour from EKS Pod Identity; no access key exists.",
                ),
                Control(
                    id="identity.least-privilege",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Objects of one bucket and one key; nothing else in the account.",
                ),
            )
        )
