"""Google Cloud: GKE, Cloud Storage and Cloud SQL in one project and one region.

What is unusual: Google's own services are reached by their restricted address inside the network, the database by a
private endpoint instead of a peering, and the project's default log bucket, which lies nowhere in particular, is cut
off in favour of one in the region.
"""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.providers.gcp.audit import Sink
from infra.providers.gcp.cluster import Kubernetes
from infra.providers.gcp.database import Postgres
from infra.providers.gcp.egress import Wall
from infra.providers.gcp.guard import Policies
from infra.providers.gcp.identity import Studio
from infra.providers.gcp.keys import Keys
from infra.providers.gcp.network import Vpc
from infra.providers.gcp.store import Films
from infra.providers.protocol import Cloud, Parts
from infra.site import Site
from infra.spec import RegionSpec

__all__ = ["CLOUD"]


class Gcp:
    """One project, one region."""

    name = "gcp"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """The spec's project; credentials come from the environment."""
        return gcp.Provider(
            f"{spec.cell}-gcp",
            project=spec.account,
            region=spec.region,
            add_pulumi_attribution_label=False,
            opts=options,
        )

    def build(self, site: Site) -> Parts:
        """The project's policies come first, so that they hold for all that follows."""
        policies = Policies(site.room("guard"))
        keys = Keys(site.room("key"), policies)
        sink = Sink(site.room("audit"), keys)
        vpc = Vpc(site.room("network"), policies)
        films = Films(site.room("store"), keys)
        wall = Wall(site.room("egress"), vpc)
        studio = Studio(site.room("identity"), films, policies)
        kubernetes = Kubernetes(site.room("cluster"), vpc, keys, studio, wall)
        postgres = Postgres(site.room("database"), vpc, keys)
        return Parts(
            key=keys.part(),
            network=vpc.part(),
            egress=wall.part(),
            cluster=kubernetes.part(),
            store=films.part(),
            database=postgres.part(),
            identity=studio.part(),
            audit=sink.part(),
            guard=policies.part(),
        )


CLOUD: Cloud = Gcp()
