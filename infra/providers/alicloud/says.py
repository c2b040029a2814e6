"""How this cloud's controls are said, and what all its parts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from infra.providers.protocol import Control, State
from policies.constraints import Evidence

__all__ = ["GATEWAYS", "policy", "says"]

#: Hosts of Alibaba Cloud that nodes need, beside the spec's; {region} is the cell's own.
GATEWAYS: Final = (
    "registry-{region}-vpc.ack.aliyuncs.com",
    "cs-anony-vpc.{region}.aliyuncs.com",
    "sts-vpc.{region}.aliyuncs.com",
)


def says(id_: str, state: State, note: str, grade: Evidence = Evidence.ENDPOINT) -> Control:
    """One control; Alibaba's endpoints name their region, so most can be read back."""
    return Control(id=id_, state=state, grade=grade, note=note)


def policy(statements: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """A policy document in the version that RAM and OSS read."""
    return {"Version": "1", "Statement": list(statements)}
