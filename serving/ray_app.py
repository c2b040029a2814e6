"""The cell as an application of Ray Serve: `serving.ray_app:application` in a Serve configuration.

It reads one settings file, whose path stands in the arguments as `settings` or in the variable EQUERRY_SETTINGS_FILE
on every machine. Serve's own proxy has no part in it: give the application `route_prefix: null`, and let clients reach
the gateways at `listen.port`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ray
from ray import serve
from ray.serve._private import replica
from ray.serve.handle import DeploymentHandle

from serving.cluster.bench import Bench
from serving.cluster.door import Door
from serving.cluster.loopback import LOOPBACK, keep_to_loopback
from serving.cluster.numbers import numbers
from serving.cluster.recorder import Recorder
from serving.cluster.remote import Ask
from serving.errors import Refused
from serving.settings import CellSettings
from serving.settings_file import load, named
from serving.telemetry import say_little
from serving.telemetry.silence import hush

__all__ = ["BENCH", "application", "bench_options"]

DOOR, BENCH, RECORDER = "gateway", "studio", "recorder"
LINES: Final = 1_024  # calls that the recorder holds, and that one process may have waiting
QUIET: Final = {"enable_access_log": False, "log_level": "WARNING"}


class RecorderReplica(Recorder):
    """The recorder as Ray runs it."""

    def __init__(self, file: str) -> None:
        _begin(file)
        super().__init__(file, node=_node, numbers=numbers(load(Path(file)).cell.name))


class BenchReplica(Bench):
    """A studio as Ray runs it."""

    def __init__(self, file: str, recorder: DeploymentHandle) -> None:
        _begin(file)
        super().__init__(file, _asking(recorder))


class DoorReplica(Door):
    """A gateway as Ray runs it. The studios are bound to it because Serve keeps what hangs together."""

    def __init__(self, file: str, recorder: DeploymentHandle, studios: DeploymentHandle) -> None:
        _begin(file)
        self.studios = studios
        super().__init__(file, _asking(recorder))


def application(args: dict[str, str] | None = None) -> serve.Application:
    """The deployments of one cell. Raises Refused for settings that cannot work."""
    hush()
    file = str(named(args))
    settings = load(Path(file))
    _refuse_scattered(settings)
    recorder = serve.deployment(RecorderReplica, **_recorder()).bind(file)
    studios = serve.deployment(BenchReplica, **bench_options(settings)).bind(file, recorder)
    return serve.deployment(DoorReplica, **_door(settings)).bind(file, recorder, studios)


def _recorder() -> dict[str, Any]:
    return {
        "name": RECORDER,
        "num_replicas": 1,  # and never more: the log's folder is locked
        "max_ongoing_requests": LINES,
        "max_queued_requests": LINES,
        "health_check_period_s": 2,
        "health_check_timeout_s": 20,
        "graceful_shutdown_timeout_s": 30,
        "graceful_shutdown_wait_loop_s": 0.2,
        "logging_config": QUIET,
        "ray_actor_options": {"num_cpus": 0.1},
    }


def _door(settings: CellSettings) -> dict[str, Any]:
    return {
        "name": DOOR,
        "num_replicas": settings.ray.gateways,
        "health_check_period_s": 2,
        "health_check_timeout_s": 20,
        "graceful_shutdown_timeout_s": 30,
        "graceful_shutdown_wait_loop_s": 0.2,
        "logging_config": QUIET,
        "ray_actor_options": {"num_cpus": 0.1},
    }


def bench_options(settings: CellSettings) -> dict[str, Any]:
    """Ranks of one engine are processes of one replica, so that its machine is one bundle: all or nothing."""
    e, ranks = settings.engine, settings.engine.tensor_parallel
    each = {"CPU": e.cpus * ranks} | ({"GPU": float(ranks)} if e.gpus else {})
    told = {
        "name": BENCH,
        "max_ongoing_requests": 16,
        "max_queued_requests": 16,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "graceful_shutdown_timeout_s": settings.jobs.drain + 10,
        "graceful_shutdown_wait_loop_s": 0.2,
        "logging_config": QUIET,
        "ray_actor_options": {"num_cpus": each["CPU"], "num_gpus": each.get("GPU", 0)},
        "placement_group_bundles": [each],
        "placement_group_strategy": "STRICT_PACK",
    }
    if e.most_replicas == e.replicas:
        return told | {"num_replicas": e.replicas}
    return told | {"autoscaling_config": _scaling(settings)}


def _scaling(settings: CellSettings) -> dict[str, Any]:
    e = settings.engine
    return {
        "min_replicas": e.replicas,
        "max_replicas": e.most_replicas,
        "metrics_interval_s": 5,
        "look_back_period_s": 10,  # the store knows what waits to the millisecond; there is no noise to average away
        "upscale_delay_s": 5,
        "downscale_delay_s": e.idle_seconds,
        "policy": {"policy_function": "serving.cluster.scaling:Scaling", "policy_kwargs": {"wait_s": e.scale_seconds}},
    }


def _refuse_scattered(settings: CellSettings) -> None:
    """A database or a folder that lies on one machine serves one machine alone."""
    several = ray.is_initialized() and len([node for node in ray.nodes() if node["Alive"]]) > 1
    if several and (settings.database.url == "sqlite" or settings.objects.url == "folder"):
        raise Refused(
            "This cluster has several machines, and the cell's database or its films would lie on one of them. "
            "Name a database and an object store that all of them reach."
        )


def _begin(file: str) -> None:
    hush()
    say_little(load(Path(file)).telemetry.level)
    if ray.util.get_node_ip_address() == LOOPBACK:
        keep_to_loopback(replica)


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())


def _asking(recorder: DeploymentHandle) -> Ask:
    def ask(method: str, *given: bytes, patience: float) -> Any:
        return getattr(recorder, method).remote(*given).result(timeout_s=patience)

    return ask
