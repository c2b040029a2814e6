"""The studios alone as an application of Ray Serve: `serving.ray_studios:application` in a Serve configuration.

On Kubernetes the gateway and the log are in a pod of their own (`serving.keeper`), so that two generations of Ray
clusters can work beside each other during an upgrade. Studios pull their jobs from the store and write to the log over
TLS; nobody sends them requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ray import serve

from serving.cluster.bench import Bench
from serving.keeper.ask import KeeperAsk
from serving.ray_app import bench_options
from serving.settings_file import load, named
from serving.telemetry import say_little
from serving.telemetry.silence import hush

__all__ = ["APP", "application"]

APP: Final = "studios"


class StudioReplica(Bench):
    """A studio as Ray runs it, with the log in another pod."""

    def __init__(self, file: str) -> None:
        hush()
        settings = load(Path(file))
        say_little(settings.telemetry.level)
        super().__init__(file, KeeperAsk(settings.keeper))


def application(args: dict[str, Any] | None = None) -> serve.Application:
    """The studios of one cell. Raises Refused for settings that cannot work."""
    hush()
    file = str(named(args))
    return serve.deployment(StudioReplica, **bench_options(load(Path(file)))).bind(file)
