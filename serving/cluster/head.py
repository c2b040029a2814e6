"""The Ray that a cell runs on: one that is there already, or one of its own, which ends with this process.

Its own listens on loopback alone, asks everybody for a token that is drawn for this run, has no dashboard, and writes
below the cell's scratch folder.
"""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from serving.errors import Unavailable
from serving.settings import CellSettings
from serving.telemetry.silence import hush

__all__ = ["head", "logical_cores", "variables"]

MIB: Final = 1 << 20
TRIES: Final = 3
MOST_PATH: Final = 40  # letters before a session's sockets have names that the kernel refuses


@contextmanager
def head(settings: CellSettings, environment: MutableMapping[str, str]) -> Iterator[None]:
    """Ray is there until the block ends. Call it from the main thread, before anything has imported Ray.

    `environment` is this process's own: Ray reads it when it is imported, and hands it on to all that it starts.
    Raises Unavailable when Ray does not start, or is not where the settings say.
    """
    hush(environment)
    with ExitStack() as stack:
        if not settings.ray.address:
            folder = stack.enter_context(_short(settings.folders.scratch / "ray"))
            environment.update(variables(folder, settings, environment.get("OMP_NUM_THREADS")))
        import ray

        stack.callback(ray.shutdown)
        if settings.ray.address:
            _join(ray, settings.ray.address)
        else:
            _start(ray, folder, settings)
        yield


def logical_cores(settings: CellSettings) -> int:
    """What Ray may deal out on this machine: all that the settings ask for, since the operator has said so."""
    e = settings.engine
    return int(-(-e.cpus * e.tensor_parallel * e.most_replicas // 1)) + 1 + settings.ray.gateways // 10


def variables(folder: Path, settings: CellSettings, threads: str | None = None) -> dict[str, str]:
    """For Ray and all that it starts. Draws the token and writes it into `folder`."""
    token = folder / "token"
    token.unlink(missing_ok=True)
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), "ascii")
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the one way to have Ray listen on loopback alone, on any system
        "OMP_NUM_THREADS": threads or str(max(1, int(settings.engine.cpus))),
    }


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, logging_level="warning")
    except (ConnectionError, RuntimeError, TimeoutError):
        raise Unavailable(
            f"There is no Ray at {address} that lets this cell in. Check ray.address and the token."
        ) from None


def _start(ray: Any, folder: Path, settings: CellSettings) -> None:
    """Ray gives its agents 15 s, which nobody can change and a busy machine may not have; so it is tried again."""
    for left in reversed(range(TRIES)):
        before = children()
        try:
            ray.init(
                address="local",
                num_cpus=logical_cores(settings),
                object_store_memory=settings.ray.object_store * MIB,
                include_dashboard=False,
                logging_level="warning",
                _temp_dir=str(folder),
                _node_ip_address="127.0.0.1",
            )
        except Exception:  # noqa: BLE001  Ray raises bare ones when a part of it was slow
            ray.shutdown()
            for pid in children() - before:  # a start that failed half-way leaves what it has started behind
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                raise Unavailable(
                    f"Ray did not start in {TRIES} tries. This machine may be too busy: try again later. "
                    f"What kept it stands in {settings.folders.scratch}/ray/session_latest/logs."
                ) from None
        else:
            return


def children() -> set[int]:
    """Processes that this one has started itself; nothing where there is no /proc."""
    parent, found = str(os.getpid()), set[int]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):  # one that has just ended
            if path.read_text("utf-8", "replace").rpartition(")")[2].split()[1] == parent:
                found.add(int(path.parent.name))
    return found


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """A folder by a name that is short enough for sockets below it: its own, or a link to it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if len(str(folder)) <= MOST_PATH:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="eq-") as place:
        link = Path(place) / "r"
        link.symlink_to(folder)
        yield link
