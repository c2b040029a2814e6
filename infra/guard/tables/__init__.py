"""Security-relevant arguments by resource type, a file a cloud. Data: the rules read it, and so do the tests."""

from __future__ import annotations

from typing import Final

from infra.guard.tables import alicloud, aws, azure, gcp, kubernetes, ovh, scaleway
from infra.guard.want import Want

__all__ = ["WANTS"]

WANTS: Final[tuple[Want, ...]] = (
    *aws.WANTS,
    *gcp.WANTS,
    *azure.WANTS,
    *alicloud.WANTS,
    *ovh.WANTS,
    *scaleway.WANTS,
    *kubernetes.WANTS,
)
