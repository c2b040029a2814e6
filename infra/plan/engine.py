"""Runs the program of a stack file against a monitor on loopback and hands back its plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import grpc
import yaml
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from infra.errors import Refused, Unavailable
from infra.plan.monitor import Log, Monitor, Recorder
from infra.plan.resources import Plan

__all__ = ["HOME", "config", "plan", "stacks"]

HOME: Final = Path(__file__).resolve().parents[1]  # the folder of the program and its stack files
PROJECT: Final = "equerry"
PATIENCE: Final = 60.0  # seconds; a plan takes two to five
_MOST_BYTES: Final = 1 << 26  # of one message
_MOST_STACK: Final = 1 << 18  # bytes of one stack file


def stacks(home: Path = HOME) -> tuple[str, ...]:
    """The names of all stacks that have a file."""
    return tuple(sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in home.glob("Pulumi.*.yaml")))


def config(stack: str, home: Path = HOME) -> dict[str, str]:
    """The configuration in a stack file, values as Pulumi hands them over. Raises Refused."""
    path = home / f"Pulumi.{stack}.yaml"
    if stack not in stacks(home):
        raise Refused(f"There is no stack {stack}. There are {', '.join(stacks(home))}.")
    text = path.read_bytes()
    if len(text) > _MOST_STACK:
        raise Refused(f"{path} has {len(text)} bytes and may have {_MOST_STACK}.")
    value = yaml.safe_load(text)
    held = value.get("config") if isinstance(value, Mapping) else None
    if not isinstance(held, Mapping):
        raise Refused(f"{path} has no `config`. Take another stack file as an example.")
    return {str(name): _spelt(one) for name, one in held.items()}


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def plan(stack: str, settings: Mapping[str, str], day: date, home: Path = HOME, patience: float = PATIENCE) -> Plan:
    """The plan of one stack as of a day. Raises Refused with the program's own words, or Unavailable."""
    recorder = Recorder(stack, PROJECT)
    given = {**settings, f"{PROJECT}:day": day.isoformat()}
    with _listening(recorder) as address:
        _run(home, _environment(stack, given, address), recorder, patience)
    return Plan(
        stack=stack,
        resources=tuple(recorder.resources[urn] for urn in sorted(recorder.resources)),
        outputs=recorder.outputs,
        reads=tuple(sorted(recorder.reads)),
        config=given,
    )


@contextmanager
def _listening(recorder: Recorder) -> Iterator[str]:
    options = [("grpc.max_receive_message_length", _MOST_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=options)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(recorder), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Log(recorder), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=1).wait()


def _environment(stack: str, settings: Mapping[str, str], address: str) -> dict[str, str]:
    """What the program sees. A cloud's credentials are left out: a plan needs none, so it gets none."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "PULUMI_MONITOR": address,
        "PULUMI_PROJECT": PROJECT,
        "PULUMI_STACK": stack,
        "PULUMI_CONFIG": json.dumps(dict(settings)),
        "PYTHONPATH": str(HOME.parent),
    }


def _run(home: Path, environment: Mapping[str, str], recorder: Recorder, patience: float) -> None:
    command = [sys.executable, "-u", "-m", "infra.plan.program", str(home)]
    try:
        ended = subprocess.run(
            command, cwd=home.parent, env=dict(environment), capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"The program of {recorder.stack} did not end within {patience:.0f} s.") from None
    if ended.returncode or recorder.errors:
        said = recorder.errors[0] if recorder.errors else ended.stderr.decode(errors="replace")[-4000:]
        raise Refused(f"The program of {recorder.stack} does not run: {said.strip()}")
