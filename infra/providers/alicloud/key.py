"""Keys: a key service of the cell's own in its network, and one key for all that is at rest."""

from __future__ import annotations

import pulumi_alicloud as alicloud

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import says
from infra.providers.protocol import Key, State
from infra.site import Site

__all__ = ["make"]

_QUARTER = "7776000s"  # 90 days; RAM writes spans of time in seconds


def make(site: Site, ground: Ground) -> tuple[Key, alicloud.kms.Key]:
    """The key, and its part. Customer keys live in a KMS instance; the shared service holds only Alibaba's own."""
    zones = site.spec.zones[:2]
    service = alicloud.kms.Instance(
        site.name("kms"),
        instance_name=site.name("kms"),
        product_version="3",
        spec=1000,
        key_num=1000,
        secret_num=0,
        vpc_num=1,
        vpc_id=ground.vpc.id,
        zone_ids=list(zones),
        vswitch_ids=[ground.data[zone].id for zone in zones],
        deletion_protection=True,
        tags=site.tags,
        opts=site.data_options(),
    )
    key = alicloud.kms.Key(
        site.name("rest"),
        description=f"At rest: {site.spec.cell}",
        dkms_instance_id=service.id,
        key_spec="Aliyun_AES_256",
        origin="Aliyun_KMS",
        protection_level="SOFTWARE",
        automatic_rotation="Enabled",
        rotation_interval=_QUARTER,
        pending_window_in_days=30,
        deletion_protection="Enabled",
        tags=site.tags,
        opts=site.data_options(),
    )
    controls = (
        says("key.customer-managed", State.CONFIGURED, "A key in the cell's own KMS instance encrypts all that rests."),
        says("key.rotation", State.CONFIGURED, "KMS draws a new version every 90 days."),
        says("key.region", State.ENFORCED, "A KMS instance is regional; its keys cannot leave it."),
    )
    return Key(id=key.id, controls=controls), key
