"""Amazon Web Services: EKS, S3, RDS and Network Firewall in one account and one region.

What is unusual: each zone has a firewall of its own, so that its endpoint is known without a search; services of
Kubernetes have a range outside the VPC, as EKS demands; and every role that is made here carries a boundary that
denies all other regions, beside the organisation's own guard.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.providers.aws.audit import Sink
from infra.providers.aws.cluster import Kubernetes
from infra.providers.aws.database import Postgres
from infra.providers.aws.egress import Wall
from infra.providers.aws.guard import Boundary
from infra.providers.aws.identity import Studio
from infra.providers.aws.keys import Keys
from infra.providers.aws.network import Vpc
from infra.providers.aws.store import Films
from infra.providers.protocol import Cloud, Parts
from infra.site import Site
from infra.spec import RegionSpec

__all__ = ["CLOUD"]


class Aws:
    """One account, one region."""

    name = "aws"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """Refuses to act in any account but the spec's, and asks the region's own token service."""
        return aws.Provider(
            f"{spec.cell}-aws",
            region=spec.region,
            allowed_account_ids=[spec.account],
            sts_region=spec.region,
            skip_region_validation=False,
            opts=options,
        )

    def build(self, site: Site) -> Parts:
        """Audit comes before the network, since the flow logs have to go somewhere."""
        boundary = Boundary(site.room("guard"))
        keys = Keys(site.room("key"))
        sink = Sink(site.room("audit"), keys)
        vpc = Vpc(site.room("network"), sink)
        films = Films(site.room("store"), keys, vpc)
        wall = Wall(site.room("egress"), vpc, sink)
        sink.watch(films)
        kubernetes = Kubernetes(site.room("cluster"), vpc, keys, boundary, wall)
        postgres = Postgres(site.room("database"), vpc, keys)
        studio = Studio(site.room("identity"), kubernetes, films, keys, boundary)
        return Parts(
            key=keys.part(),
            network=vpc.part(),
            egress=wall.part(),
            cluster=kubernetes.part(),
            store=films.part(),
            database=postgres.part(),
            identity=studio.part(),
            audit=sink.part(),
            guard=boundary.part(),
        )


CLOUD: Cloud = Aws()
