"""Every security-relevant argument of a plan, by the guard's own table, and the plan without it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.guard.seen import ABSENT, at
from infra.guard.tables import WANTS
from infra.guard.want import Free, Missing, Never, Want
from infra.plan.resources import Plan, Resource


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of one resource, which one row of the table speaks of."""

    want: Want
    resource: Resource

    def __str__(self) -> str:
        return f"{self.resource.type} {self.resource.name}: {self.want.path}"

    def without(self) -> Resource:
        """The resource as if nobody had thought of it."""
        return self.resource.with_inputs(_set(self.resource.inputs, self.want.path, ABSENT))

    def spoilt(self) -> Resource:
        """The resource with the worst value that the row knows."""
        return self.resource.with_inputs(_set(self.resource.inputs, self.want.path, _worst(self.want)))

    @property
    def has_default(self) -> bool:
        """Whether the cloud does right when it is left out, so that only a wrong value is a leak."""
        return isinstance(self.want.test, Free | Missing | Never)


def arguments(plan: Plan) -> Iterator[Argument]:
    """Those that the plan says, and those that it is right to leave out."""
    for resource in plan.resources:
        for want in WANTS:
            if want.type == resource.type and _reachable(resource, want):
                yield Argument(want, resource)


#: How Pulumi marks a secret on the wire; what stands inside is never shown.
_MARK = "4dabf18193072939515e22adb298388d"


def paths(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every argument, those inside others included."""
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        if key == _MARK or (isinstance(value, Mapping) and _MARK in value):
            continue
        yield (*here, key)
        yield from paths(one, (*here, key))


def taken(inputs: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The arguments without the one at the end of that way."""
    made = copy.deepcopy(dict(inputs))
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return made


def _reachable(resource: Resource, want: Want) -> bool:
    """A row speaks of an argument that is there, or that could be put there."""
    said = any(value is not ABSENT for value in at(resource.inputs, want.path))
    return said or ("[*]" not in want.path and isinstance(want.test, Free | Missing | Never))


def _worst(want: Want) -> Any:
    test = want.test
    if isinstance(test, Never):
        return test.values[0]
    if isinstance(test, Missing):
        return "something"
    right = test.values[0] if isinstance(test, Free) else None
    return (not right) if isinstance(right, bool) else "something else"


def _set(inputs: Any, path: str, value: Any) -> Any:
    """A copy with another value at each place of a path; ABSENT takes it away."""
    made = copy.deepcopy(dict(inputs))
    steps = path.split(".")
    for place in _places(made, steps[:-1]):
        key = steps[-1]
        if key.endswith("[*]"):
            _whole(place, key.removesuffix("[*]"), value)
        elif value is ABSENT:
            place.pop(key, None)
        else:
            place[key] = value
    return made


def _whole(place: dict[str, Any], key: str, value: Any) -> None:
    if value is ABSENT:
        place.pop(key, None)
    else:
        place[key] = [value]


def _places(value: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    if not steps:
        yield value
        return
    key = steps[0].removesuffix("[*]")
    inner = value.setdefault(key, {})
    for one in inner if isinstance(inner, list) else [inner]:
        yield from _places(one, steps[1:])
