"""A plan: what a program registers, in an order that does not depend on how fast it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

__all__ = ["Plan", "Resource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource as the program registered it."""

    urn: str
    type: str  # aws:s3/bucket:Bucket
    name: str
    parent: str  # an urn; empty for the stack itself
    custom: bool  # a cloud makes it; False for components
    provider: str  # URN::ID of the provider; empty for components and providers
    protect: bool
    inputs: Mapping[str, Any]  # by the names on the wire; secrets keep Pulumi's mark
    depends_on: tuple[str, ...]  # urns
    depends_by: Mapping[str, tuple[str, ...]]  # urns that one property depends on
    retained: bool  # left behind in the cloud when it goes from the program

    def with_inputs(self, inputs: Mapping[str, Any]) -> Resource:
        """The same resource, asked for otherwise."""
        return replace(self, inputs=inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of one stack."""

    stack: str
    resources: tuple[Resource, ...]  # by urn
    outputs: Mapping[str, Any]
    reads: tuple[str, ...]  # what the program asked of the cloud, by token
    config: Mapping[str, str]  # as the program was given it

    def of(self, kind: str) -> tuple[Resource, ...]:
        """The resources of one type."""
        return tuple(resource for resource in self.resources if resource.type == kind)

    def named(self, name: str) -> Resource:
        """The one resource with this name that a cloud makes. Raises StopIteration when there is none."""
        return next(resource for resource in self.resources if resource.name == name and resource.custom)

    def with_resource(self, changed: Resource) -> Plan:
        """The same plan with one resource in another state, found by its urn; a new urn is added."""
        others = [resource for resource in self.resources if resource.urn != changed.urn]
        return replace(self, resources=tuple(sorted([*others, changed], key=lambda resource: resource.urn)))

    def without(self, urn: str) -> Plan:
        """The same plan without one resource."""
        return replace(self, resources=tuple(resource for resource in self.resources if resource.urn != urn))

    def as_json(self) -> dict[str, Any]:
        """For scripts, and for another interpreter."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The reverse of `as_json` after a walk through JSON; what stands beside a plan is left out."""
        known = {field.name: value[field.name] for field in fields(cls)}
        rows = tuple(_resource(row) for row in value["resources"])
        return cls(**{**known, "resources": rows, "reads": tuple(value["reads"])})


def _resource(row: Mapping[str, Any]) -> Resource:
    by = {name: tuple(urns) for name, urns in row["depends_by"].items()}
    return Resource(**{**row, "depends_on": tuple(row["depends_on"]), "depends_by": by})
