"""Microsoft Azure: AKS, Blob Storage and Postgres in one resource group of one subscription, in one region.

What is unusual: stores have no public side at all and are reached by private endpoints; the account keys that Azure
makes for them are switched off; and machines name their zones by number, since Azure shuffles them by subscription.
"""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.audit import Sink
from infra.providers.azure.cluster import Kubernetes
from infra.providers.azure.database import Postgres
from infra.providers.azure.egress import Wall
from infra.providers.azure.guard import Border
from infra.providers.azure.identity import Studio
from infra.providers.azure.keys import Keys
from infra.providers.azure.network import Vnet
from infra.providers.azure.store import Films
from infra.providers.protocol import Cloud, Parts
from infra.site import Site
from infra.spec import RegionSpec

__all__ = ["CLOUD"]


class Azure:
    """One subscription, one region, one resource group."""

    name = "azure"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """The spec's subscription; credentials come from the environment."""
        return azure.Provider(
            f"{spec.cell}-azure",
            subscription_id=spec.account,
            location=spec.region,
            disable_pulumi_partner_id=True,
            opts=options,
        )

    def build(self, site: Site) -> Parts:
        """The resource group and its policies come first, so that they hold for all that follows."""
        border = Border(site.room("guard"))
        vnet = Vnet(site.room("network"), border.group)
        keys = Keys(site.room("key"), border.group, vnet)
        sink = Sink(site.room("audit"), border.group, vnet, keys)
        wall = Wall(site.room("egress"), border.group, vnet)
        films = Films(site.room("store"), border.group, vnet, keys)
        kubernetes = Kubernetes(site.room("cluster"), border.group, vnet, keys, wall)
        postgres = Postgres(site.room("database"), border.group, vnet, keys)
        studio = Studio(site.room("identity"), border.group, kubernetes, films)
        sink.watch(films, kubernetes, keys)
        return Parts(
            key=keys.part(),
            network=vnet.part(),
            egress=wall.part(),
            cluster=kubernetes.part(),
            store=films.part(),
            database=postgres.part(),
            identity=studio.part(),
            audit=sink.part(),
            guard=border.part(),
        )


CLOUD: Cloud = Azure()
