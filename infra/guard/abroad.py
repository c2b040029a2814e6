"""Regions that the catalogue leaves out, since no cell may lie there; a value that names one is a leak all the same."""

from __future__ import annotations

from typing import Final

__all__ = ["ABROAD"]

ABROAD: Final = frozenset(
    {
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "asia-east1",
        "asia-southeast1",
        "australia-southeast1",
        "australiaeast",
        "brazilsouth",
        "ca-central-1",
        "canadacentral",
        "centralus",
        "cn-beijing",
        "cn-hangzhou",
        "cn-hongkong",
        "cn-shanghai",
        "cn-shenzhen",
        "eastus",
        "eastus2",
        "me-south-1",
        "sa-east-1",
        "southamerica-east1",
        "southeastasia",
        "us-central1",
        "us-east-1",
        "us-east-2",
        "us-east1",
        "us-east4",
        "us-west-1",
        "us-west-2",
        "us-west1",
        "westus",
        "westus2",
    }
)
