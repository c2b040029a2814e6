"""What follows from where a replica finds itself: a grade of evidence, or a refusal. Pure.

A node's labels come from the cloud's own controller through the API server of a cluster in one region, so they are
evidence of the grade `endpoint`. A signed document counts as `attested` only when it answers a challenge of this very
replica; one that could have been copied from another machine of the same owner raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.constraints import Evidence
from serving.errors import Refused

__all__ = ["Claim", "Node", "Paper", "graded"]

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Where the settings say that this replica is."""

    cell: str
    region: str  # as the nodes' labels and the documents of the cloud spell it
    node: bool  # whether the node has to say so
    paper: bool  # whether a signed document has to say so too


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the cluster says of the node that this replica runs on."""

    name: str
    region: str  # "" when the node has no such label
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """An instance identity document whose signature holds."""

    region: str
    bound: bool  # to a challenge of this replica, so that no copy of it serves another


def graded(claim: Claim, node: Node | None, paper: Paper | None) -> Evidence:
    """How well it is known that the replica is where it claims to be. Raises Refused when anything says otherwise."""
    if claim.node:
        _agree(claim, None if node is None else node.region, "its node's label")
    if claim.paper:
        _agree(claim, None if paper is None else paper.region, "the machine's signed document")
    if claim.paper and paper is not None and paper.bound:
        return Evidence.ATTESTED
    return Evidence.ENDPOINT if claim.node or claim.paper else Evidence.DECLARED


def _agree(claim: Claim, region: str | None, source: str) -> None:
    if not region:
        raise Refused(
            f"{claim.cell} is to serve from {claim.region}, and {source} names no region. "
            f"Label the nodes with {REGION}, or correct [attest]."
        )
    if region != claim.region:
        raise Refused(
            f"{claim.cell} is to serve from {claim.region}, and {source} says {region}. "
            "Nothing is served from there: move the replica, or correct cell.region and attest.region."
        )
