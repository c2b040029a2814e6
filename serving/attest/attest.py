"""The question as a whole: asks whom the settings name, and decides. The only place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.constraints import Evidence
from serving.attest.decision import Claim, Node, Paper, graded
from serving.attest.node import Api, read_node
from serving.attest.papers import read_aws, read_gcp, read_keys

if TYPE_CHECKING:
    from serving.settings import Attest, Cell

__all__ = ["attest"]


def attest(cell: Cell, settings: Attest, challenge: bytes, now: int) -> Evidence:
    """How well it is known that this replica is in its cell's region.

    `challenge` is drawn for this start of this replica; `now` is seconds since 1970. Raises Refused when the replica
    is elsewhere, Unavailable when nobody tells.
    """
    claim = Claim(
        cell=cell.name,
        region=settings.region or cell.region,
        node=settings.source == "kubernetes",
        paper=settings.document != "none",
    )
    return graded(claim, _node(settings) if claim.node else None, _paper(cell, settings, challenge, now))


def _node(settings: Attest) -> Node:
    return read_node(Api(url=settings.api, token=settings.token, authority=settings.authority), settings.node)


def _paper(cell: Cell, settings: Attest, challenge: bytes, now: int) -> Paper | None:
    if settings.document == "none":
        return None
    signers = read_keys(settings.keys)
    if settings.document == "aws":
        return read_aws(signers, settings.metadata)
    return read_gcp(f"equerry:{cell.name}:{challenge.hex()}", now, signers, settings.metadata)
