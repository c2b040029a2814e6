"""Where a cell reads what Ray measures of itself, for the one process that tells it on.

Ray's agent of each machine serves its metrics, where packages of Ray's dashboard are installed (see the decision of
2026-11-22 on Ray's own numbers). Where they are not, Serve's controller still says how many replicas of each part run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import Metric as Family

from serving.telemetry.scraper import Read

__all__ = ["address", "healthy", "numbers"]

HEALTHY: Final = "ray_serve_deployment_replica_healthy"  # as Ray's agent calls it
RUNNING: Final = "RUNNING"


def numbers(application: str) -> str | Read:
    """The address of Ray's metrics on this machine, or what asks Serve's controller. Needs a Ray that has begun."""
    import ray

    node = str(ray.get_runtime_context().get_node_id())
    return address(ray.nodes(), node) or (lambda: healthy(application, _deployments(application)))


def address(nodes: Iterable[Mapping[str, Any]], node: str) -> str:
    """Where this machine's agent tells its metrics; "" when it has no port for them. `nodes` are as Ray lists them."""
    ports = [int(each.get("MetricsExportPort") or 0) for each in nodes if each["NodeID"] == node]
    return f"http://127.0.0.1:{ports[0]}/metrics" if ports and ports[0] > 0 else ""


def healthy(application: str, deployments: Mapping[str, Mapping[str, int]]) -> list[Family]:
    """Replicas that run, by deployment, from their number in each state."""
    told = Family(HEALTHY, "Healthy replicas.", "gauge")
    for name, states in deployments.items():
        told.add_sample(HEALTHY, {"application": application, "deployment": name}, states.get(RUNNING, 0))
    return [told]


def _deployments(application: str) -> dict[str, dict[str, int]]:
    from ray import serve

    found = serve.status().applications.get(application)
    return {name: dict(part.replica_states) for name, part in found.deployments.items()} if found is not None else {}
