"""Runs a real policy pack over a plan, as Pulumi does: a process of its own that is asked over gRPC.

with Analyzer(folder, plan) as analyzer:
    for violation in analyzer.violations(plan): ...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from select import select
from types import TracebackType
from typing import Final, Self

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.errors import Broken, Unavailable
from infra.plan.engine import HOME, PROJECT
from infra.plan.resources import Plan, Resource

__all__ = ["GUARD", "Analyzer", "Violation"]

GUARD: Final = HOME / "guard"  # the pack that every stack goes through
PATIENCE: Final = 60.0  # seconds for the pack to start, and for each question
_LEVELS: Final = {analyzer_pb2.MANDATORY: "mandatory", analyzer_pb2.ADVISORY: "advisory"}


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """What a rule says against a resource, or against the whole stack when `urn` is empty."""

    rule: str
    urn: str
    message: str
    level: str  # mandatory or advisory


class Analyzer:
    """One policy pack, running. Start it with `with`; it ends with the block."""

    def __init__(
        self, pack: Path, stack: str, config: dict[str, str] | None = None, patience: float = PATIENCE
    ) -> None:
        self._patience = patience
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", str(pack)],
            cwd=pack,
            env=_environment(stack, config or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self._port()}")
        self._stub = analyzer_pb2_grpc.AnalyzerStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()
        self._process.kill()
        self._process.communicate()

    def rules(self) -> tuple[str, ...]:
        """The names of the pack's rules."""
        from google.protobuf.empty_pb2 import Empty

        return tuple(rule.name for rule in self._stub.GetAnalyzerInfo(Empty(), timeout=self._patience).policies)

    def violations(self, plan: Plan, changed: frozenset[str] | None = None) -> tuple[Violation, ...]:
        """What the rules say of each resource, and then of the stack.

        `changed` names resources by urn when the others are known to obey: those are seen as part of the stack alone.
        """
        asked = [resource for resource in plan.resources if changed is None or resource.urn in changed]
        said = [self._of_one(resource, plan) for resource in asked]
        whole = self._stub.AnalyzeStack(
            analyzer_pb2.AnalyzeStackRequest(resources=[_row(resource, plan) for resource in plan.resources]),
            timeout=self._patience,
        )
        return tuple(sorted({one for answer in [*said, whole] for one in _read(answer.diagnostics)}))

    def _of_one(self, resource: Resource, plan: Plan) -> analyzer_pb2.AnalyzeResponse:
        row = _row(resource, plan)
        request = analyzer_pb2.AnalyzeRequest(
            type=row.type,
            properties=row.properties,
            urn=row.urn,
            name=row.name,
            options=row.options,
            provider=row.provider if row.HasField("provider") else None,
        )
        answer = self._stub.Analyze(request, timeout=self._patience)
        for one in answer.diagnostics:
            one.urn = one.urn or resource.urn
        return answer

    def _port(self) -> int:
        """The pack says its port in its first line. Raises Unavailable with its own words when it does not."""
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select([out], [], [], self._patience)
        line = out.readline().strip() if ready else b""
        if line.isdigit():
            return int(line)
        self._process.kill()
        _, said = self._process.communicate()
        raise Unavailable(f"The policy pack does not start: {(line + said).decode(errors='replace')[-2000:]}")


def _environment(stack: str, config: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PULUMI_PROJECT": PROJECT,
        "PULUMI_STACK": stack,
        "PULUMI_DRY_RUN": "true",
        "PULUMI_ORGANIZATION": "organization",
        "PULUMI_CONFIG": json.dumps(config),
        "PYTHONPATH": str(HOME.parent),
    }


def _row(resource: Resource, plan: Plan) -> analyzer_pb2.AnalyzerResource:
    by = {name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns) for name, urns in resource.depends_by.items()}
    return analyzer_pb2.AnalyzerResource(
        type=resource.type,
        properties=_struct(resource),
        urn=resource.urn,
        name=resource.name,
        parent=resource.parent,
        options=analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect, parent=resource.parent),
        provider=_provider(resource, plan),
        dependencies=resource.depends_on,
        propertyDependencies=by,
    )


def _provider(resource: Resource, plan: Plan) -> analyzer_pb2.AnalyzerProviderResource | None:
    urn = resource.provider.rsplit("::", 1)[0]
    found = next((one for one in plan.resources if one.urn == urn), None) if urn else None
    if found is None:
        return None
    return analyzer_pb2.AnalyzerProviderResource(
        type=found.type, properties=_struct(found), urn=found.urn, name=found.name
    )


def _struct(resource: Resource) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(dict(resource.inputs))
    return made


def _read(diagnostics: Iterable[analyzer_pb2.AnalyzeDiagnostic]) -> Iterable[Violation]:
    for one in diagnostics:
        level = _LEVELS.get(one.enforcementLevel)
        if level is None:
            raise Broken(f"The rule {one.policyName} speaks at a level that nobody acts on.")
        yield Violation(rule=one.policyName, urn=one.urn, message=one.message, level=level)
