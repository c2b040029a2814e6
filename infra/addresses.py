"""A cell's private addresses, carved from one /16 so that nobody has to think of them twice.

first half        nodes, a /19 for each of up to four zones; pods too, where the cloud draws them from the nodes'
.128 to .131      data: databases and private endpoints, a /24 a zone
.132 to .135      edge: the gateway out, a /24 a zone
.136 to .139      firewall, a /24 a zone
.140              control plane, a /28
.144 to .159      services of Kubernetes, a /20
.192 to .255      pods, a /18, where the cloud gives them a range of their own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from infra.errors import Impossible

__all__ = ["MOST_ZONES", "Addresses"]

MOST_ZONES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The parts of a cell's network; each zone has its own."""

    whole: IPv4Network  # a /16
    nodes: Mapping[str, IPv4Network]  # by zone
    data: Mapping[str, IPv4Network]
    edge: Mapping[str, IPv4Network]
    firewall: Mapping[str, IPv4Network]
    control_plane: IPv4Network
    services: IPv4Network
    pods: IPv4Network

    @classmethod
    def carve(cls, whole: IPv4Network, zones: Sequence[str]) -> Addresses:
        """The parts of a /16 for one to four zones. Raises Impossible for anything else."""
        if whole.prefixlen != 16 or not 1 <= len(zones) <= MOST_ZONES:
            raise Impossible(f"A cell has a /16 and one to {MOST_ZONES} zones; this has {whole} and {len(zones)}.")
        small = list(whole.subnets(new_prefix=24))
        return cls(
            whole=whole,
            nodes=dict(zip(zones, whole.subnets(new_prefix=19), strict=False)),
            data=dict(zip(zones, small[128:132], strict=False)),
            edge=dict(zip(zones, small[132:136], strict=False)),
            firewall=dict(zip(zones, small[136:140], strict=False)),
            control_plane=next(small[140].subnets(new_prefix=28)),
            services=list(whole.subnets(new_prefix=20))[9],
            pods=list(whole.subnets(new_prefix=18))[3],
        )
