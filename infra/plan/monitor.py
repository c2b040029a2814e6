"""The two services that a Pulumi program speaks to, on loopback: they write down, and answer with names.

The wire format is Pulumi's own, through the stubs that its SDK ships. What `pulumi preview` would ask of a provider's
plugin is answered by `infra.plan.imagined`. A read that is not in ANSWERS fails: a plan has no cloud to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from infra.plan import imagined
from infra.plan.resources import Resource

__all__ = ["ANSWERS", "Log", "Monitor", "Recorder"]

_FEATURES: Final = frozenset({"secrets", "resourceReferences", "aliasSpecs", "deletedWith"})
_STACK: Final = "pulumi:pulumi:Stack"

#: Reads that a plan can answer, each with the fields of the answer.
ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "azure-native:authorization:getClientConfig": ("clientId", "objectId", "subscriptionId", "tenantId"),
    "gcp:logging/getProjectCmekSettings:getProjectCmekSettings": ("id", "name", "project", "serviceAccountId"),
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": ("emailAddress", "id", "member", "project"),
    "gcp:organizations/getProject:getProject": ("id", "name", "number", "projectId"),
}


class Recorder:
    """What has been registered so far; written by the threads of the gRPC server, read when they have stopped."""

    def __init__(self, stack: str, project: str) -> None:
        self.stack = stack
        self.project = project
        self.resources: dict[str, Resource] = {}  # by urn
        self.outputs: dict[str, Any] = {}
        self.reads: set[str] = set()
        self.errors: list[str] = []
        self.lock = Lock()  # held for each of the above while it is written

    def urn(self, kind: str, name: str, parent: str) -> str:
        """As Pulumi makes it: the types of the parents stand before the type, the stack's own left out."""
        above = parent.split("::")[2] if parent else ""
        qualified = kind if above in ("", _STACK) else f"{above}${kind}"
        return f"urn:pulumi:{self.stack}::{self.project}::{qualified}::{name}"

    def add(self, resource: Resource) -> bool:
        """Writes it down; False when its urn is taken."""
        with self.lock:
            fresh = resource.urn not in self.resources
            if not fresh:
                self.errors.append(f"{resource.urn} is registered twice; give one of the two another name.")
            self.resources[resource.urn] = resource
        return fresh


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Registrations."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def SupportsFeature(  # noqa: N802 - the wire's names
        self, request: resource_pb2.SupportsFeatureRequest, _context: grpc.ServicerContext
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self._recorder.urn(request.type, request.name, request.parent)
        inputs = json_format.MessageToDict(request.object)
        if not self._recorder.add(_resource(urn, request, inputs)):
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{urn} is registered twice.")
        answer = self._answer(request.type, request.name, inputs) if request.custom else {}
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=f"<{request.name}.id>" if request.custom else "", object=_struct(answer)
        )

    def _answer(self, kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One at a time: the SDKs import their modules when they are first used, and not safely from two threads."""
        with self._recorder.lock:
            return imagined.outputs(kind, name, inputs)

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        if f"::{_STACK}::" in request.urn:
            with self._recorder.lock:
                self._recorder.outputs = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        fields = ANSWERS.get(request.tok)
        if fields is None:
            text = f"{request.tok} asks a cloud, and a plan has none; say the answer in the stack file."
            return provider_pb2.InvokeResponse(failures=[provider_pb2.CheckFailure(reason=text)])
        with self._recorder.lock:
            self._recorder.reads.add(request.tok)
        name = request.tok.rsplit(":", 1)[1]
        return provider_pb2.InvokeResponse(**{"return": _struct({field: f"<{name}.{field}>" for field in fields})})


class Log(engine_pb2_grpc.EngineServicer):
    """The program's log; errors end up in the plan's refusal."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._root = ""

    def Log(self, request: engine_pb2.LogRequest, _context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        if request.severity == engine_pb2.ERROR:
            with self._recorder.lock:
                self._recorder.errors.append(request.message)
        return empty_pb2.Empty()

    def GetRootResource(  # noqa: N802
        self, _request: engine_pb2.GetRootResourceRequest, _context: grpc.ServicerContext
    ) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(  # noqa: N802
        self, request: engine_pb2.SetRootResourceRequest, _context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


def _resource(urn: str, request: resource_pb2.RegisterResourceRequest, inputs: Mapping[str, Any]) -> Resource:
    by = {name: tuple(sorted(found.urns)) for name, found in sorted(request.propertyDependencies.items()) if found.urns}
    return Resource(
        urn=urn,
        type=request.type,
        name=request.name,
        parent=request.parent,
        custom=request.custom,
        provider=request.provider,
        protect=request.protect,
        inputs=inputs,
        depends_on=tuple(sorted(request.dependencies)),
        depends_by=by,
        retained=request.retainOnDelete,
    )


def _struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(value)
    return made
