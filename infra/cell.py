"""The one component: a whole cell in one region, whichever cloud it is made on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.ground import Ground
from infra.providers.protocol import Cloud, Control, Parts, State
from infra.site import Site
from infra.spec import RegionSpec

__all__ = ["RegionCell"]


class RegionCell(pulumi.ComponentResource):
    """Cluster, stores, keys and borders of one region. Nothing in it is shared with, or linked to, another cell.

    `parts` holds what was made, `site` where; `exported` is what a stack shows: addresses, what each control comes to
    on this cloud, and how well the cell's location is known.
    """

    def __init__(
        self, spec: RegionSpec, ground: Ground, cloud: Cloud, options: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("equerry:infra:RegionCell", spec.cell, None, options)
        provider = cloud.reach(spec, pulumi.ResourceOptions(parent=self))
        self.site = Site(spec=spec, parent=self, provider=provider)
        self.parts = cloud.build(self.site)
        self.exported = {**_place(spec, ground), **_addresses(self.parts), **_borders(self.parts)}
        self.register_outputs(dict(self.exported))


def _place(spec: RegionSpec, ground: Ground) -> dict[str, Any]:
    """Which cell this is, and why one would believe where it lies."""
    return {
        "cell": spec.cell,
        "jurisdiction": spec.jurisdiction,
        "provider": spec.provider,
        "region": spec.region,
        "evidence": {
            "location": ground.confidence,
            "grade": ground.grade,
            "catalogue": ground.digest,
            "doubts": list(ground.doubts),
        },
    }


def _addresses(parts: Parts) -> dict[str, Any]:
    """What the chart and the operators need; secrets stay secret."""
    return {
        "cluster": {"name": parts.cluster.name, "endpoint": parts.cluster.endpoint},
        "kubeconfig": parts.cluster.kubeconfig,
        "network": parts.network.id,
        "key": parts.key.id,
        "objects": {"url": parts.store.url, "options": dict(parts.store.options)},
        "database": {"url": parts.database.url, "passwordAt": parts.database.password_at},
        "serviceAccount": {"annotations": dict(parts.identity.annotations), "labels": dict(parts.identity.labels)},
        "audit": parts.audit.location,
    }


def _borders(parts: Parts) -> dict[str, Any]:
    """What an auditor asks for."""
    return {
        "egress": {"from": list(parts.egress.addresses), "to": list(parts.egress.allowed)},
        "organisation": parts.guard.expects,
        "controls": {control.id: _row(control) for control in parts.controls},
        "gaps": [f"{control.id}: {control.note}" for control in parts.controls if control.state in _SHORT],
    }


def _row(control: Control) -> Mapping[str, str]:
    return {"state": control.state, "grade": control.grade, "note": control.note}


_SHORT = (State.ABSENT, State.PARTIAL)
