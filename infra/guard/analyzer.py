"""Runs the pack as Pulumi's engine does, a process on loopback, over a plan that the plan engine made.

So what a test or `equerry infra plan` sees is what `pulumi preview --policy-pack infra/guard` would say: the same
process, the same wire, the same order. `previewed` turns the plan's names for what only a cloud knows back into the
unknowns that a preview has.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from infra.errors import Unavailable
from infra.plan.resources import Plan, Resource

__all__ = ["Analyzer", "Violation", "analyzer"]

_PACK: Final = Path(__file__).resolve().parent
_PATIENCE: Final = 60.0  # seconds until the pack listens; it takes one or two
_MOST_BYTES: Final = 1 << 26  # of one message


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One refusal."""

    rule: str
    urn: str  # "" when it is about the plan as a whole
    message: str


class Analyzer:
    """A pack that listens, for one stack's configuration."""

    def __init__(self, stub: analyzer_pb2_grpc.AnalyzerStub) -> None:
        self._stub = stub

    def judge(self, plan: Plan, previewed: bool = False) -> tuple[Violation, ...]:
        """All refusals of a plan, each once, sorted."""
        told = {resource.urn: _told(resource, plan, previewed) for resource in plan.resources}
        found = {violation for one in told.values() for violation in self._of_resource(one)}
        answer = self._stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=told.values()), timeout=_PATIENCE)
        return tuple(sorted(found | set(_violations(answer.diagnostics, ""))))

    def rules(self) -> dict[str, str]:
        """What the pack says of itself: its rules and their sentences."""
        info = self._stub.GetAnalyzerInfo(empty_pb2.Empty(), timeout=_PATIENCE)
        return {policy.name: policy.description for policy in info.policies}

    def _of_resource(self, told: analyzer_pb2.AnalyzerResource) -> Iterator[Violation]:
        request = analyzer_pb2.AnalyzeRequest(
            type=told.type,
            properties=told.properties,
            urn=told.urn,
            name=told.name,
            options=told.options,
            provider=told.provider if told.HasField("provider") else None,
        )
        yield from _violations(self._stub.Analyze(request, timeout=_PATIENCE).diagnostics, told.urn)


@contextmanager
def analyzer(stack: str, config: Mapping[str, str], pack: Path = _PACK) -> Iterator[Analyzer]:
    """The pack for a stack with this configuration. Raises Unavailable when it does not start."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", str(pack)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environment |= {
        "PULUMI_PROJECT": "equerry",
        "PULUMI_STACK": stack,
        "PULUMI_DRY_RUN": "true",
        "PULUMI_CONFIG": json.dumps(dict(config)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with subprocess.Popen(
        command, cwd=pack, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            port = _port(process)
            options = [("grpc.max_receive_message_length", _MOST_BYTES)]
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                yield Analyzer(analyzer_pb2_grpc.AnalyzerStub(channel))
        finally:
            process.kill()


def _port(process: subprocess.Popen[str]) -> int:
    """The pack's first line is its port."""
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if ready.select(_PATIENCE) else ""
    if not line.strip().isdigit():
        process.kill()
        raise Unavailable(f"The policy pack did not start: {process.stderr.read()[-2000:].strip() or 'no answer'}")
    return int(line)


def _violations(diagnostics: Iterable[analyzer_pb2.AnalyzeDiagnostic], urn: str) -> Iterator[Violation]:
    for said in diagnostics:
        rule = said.policyName.removesuffix("-whole")
        yield Violation(rule, said.urn or urn, said.message.partition("\n")[2] or said.message)


def _told(resource: Resource, plan: Plan, previewed: bool) -> analyzer_pb2.AnalyzerResource:
    """A resource as the engine tells a pack of it."""
    provider = _provider(resource, plan)
    return analyzer_pb2.AnalyzerResource(
        type=resource.type,
        properties=_struct(resource.inputs, previewed),
        urn=resource.urn,
        name=resource.name,
        options=analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect, parent=resource.parent),
        parent=resource.parent,
        dependencies=resource.depends_on,
        propertyDependencies={
            name: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns) for name, urns in resource.depends_by.items()
        },
        provider=None
        if provider is None
        else analyzer_pb2.AnalyzerProviderResource(
            type=provider.type,
            properties=_struct(provider.inputs, previewed),
            urn=provider.urn,
            name=provider.name,
        ),
    )


def _provider(resource: Resource, plan: Plan) -> Resource | None:
    """A program names its provider as URN::ID."""
    urn = resource.provider.rpartition("::")[0]
    return next((one for one in plan.resources if one.urn == urn), None) if urn else None


def _struct(inputs: Mapping[str, Any], previewed: bool) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update({name: _preview(value) if previewed else value for name, value in inputs.items()})
    return made


def _preview(value: Any) -> Any:
    """A text with a name such as <eu-arn-films.arn> in it is unknown before the cloud answers."""
    if isinstance(value, Mapping):
        return {name: _preview(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_preview(one) for one in value]
    return UNKNOWN_STRING_VALUE if isinstance(value, str) and "<" in value and ">" in value else value
