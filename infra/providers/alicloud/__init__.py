"""A cell on Alibaba Cloud.

Surprising: load balancers of clusters are public unless told otherwise; keys of yours need a KMS instance, which is
bought by the month; and the firewall that filters host names belongs to the account and has to be open before.
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_alicloud as alicloud

from infra.providers.alicloud import cluster, database, egress, key, network, rights, store
from infra.providers.protocol import Parts
from infra.site import Site
from infra.spec import RegionSpec

__all__ = ["CLOUD"]


class Alicloud:
    """Alibaba Cloud, in one account of the resource directory."""

    name = "alicloud"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """Pinned to region and account; the key comes from ALIBABA_CLOUD_ACCESS_KEY_ID and its sibling."""
        return alicloud.Provider(
            f"{spec.cell}-alicloud",
            region=spec.region,
            account_id=spec.account,
            protocol="HTTPS",
            skip_region_validation=False,
            opts=options,
        )

    def build(self, site: Site) -> Parts:
        """All parts of a cell."""
        network_part, ground = network.make(site.room("network"))
        key_part, rest = key.make(site.room("key"), ground)
        egress_part, ways_out = egress.make(site.room("egress"), ground)
        cluster_part, made = cluster.make(site.room("cluster"), ground, rest, ways_out)
        room = site.room("identity")
        films, secret = rights.filmer(room, ground, rest)
        store_part, _ = store.make(site.room("store"), ground, rest, secret)
        return Parts(
            key=key_part,
            network=network_part,
            egress=egress_part,
            cluster=cluster_part,
            store=store_part,
            database=database.make(site.room("database"), ground, rest),
            identity=rights.identity(room, made, films),
            audit=rights.audit(site.room("audit"), rest),
            guard=rights.guard(),
        )


CLOUD: Final = Alicloud()
