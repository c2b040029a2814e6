"""Ways to spoil a plan: each takes a good one, and gives what is otherwise in it and what is gone from it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from infra.plan.resources import Plan, Resource

#: What is otherwise, and what is gone.
Change = tuple[Sequence[Resource], Sequence[str]]
Spoil = Callable[[Plan], Change]

MISSING = object()


def put(kind: str, path: str, value: Any) -> Spoil:
    """Another value of one argument, in the first resource of that type."""
    return lambda plan: ([_edited(first(plan, kind), path, value)], ())


def drop(kind: str, path: str) -> Spoil:
    """One argument left out."""
    return put(kind, path, MISSING)


def add(kind: str, **inputs: Any) -> Spoil:
    """One more resource, beside those of the cell, with the cell's own provider."""

    def change(plan: Plan) -> Change:
        beside = next(one for one in plan.resources if one.provider)
        urn = f"{beside.urn.rpartition('::')[0].rpartition('::')[0]}::{kind}::added"
        return [replace(beside, urn=urn, type=kind, name="added", inputs=inputs, depends_by={}, protect=True)], ()

    return change


def remove(kind: str) -> Spoil:
    """No resource of that type any more."""
    return lambda plan: ((), [one.urn for one in plan.of(kind)] or [_none(plan, kind)])


def loosen(kind: str) -> Spoil:
    """The first resource of that type without protection."""
    return lambda plan: ([replace(first(plan, kind), protect=False)], ())


def give(kind: str, path: str, find: str, value: str) -> Spoil:
    """A text inside an argument exchanged, as in a policy document."""

    def change(plan: Plan) -> Change:
        for one in plan.of(kind):
            text = _value(one.inputs, path)
            if isinstance(text, str) and find in text:
                return [_edited(one, path, text.replace(find, value))], ()
        raise LookupError(f"{plan.stack} has no {kind} whose {path} holds {find!r}")

    return change


def first(plan: Plan, kind: str) -> Resource:
    """The first resource of a type; a test that asks for one that is not there must fail."""
    return plan.of(kind)[0] if plan.of(kind) else _none(plan, kind)


def _none(plan: Plan, kind: str) -> Any:
    raise LookupError(f"{plan.stack} has no {kind}")


def _edited(resource: Resource, path: str, value: Any) -> Resource:
    inputs = copy.deepcopy(dict(resource.inputs))
    place: Any = inputs
    *steps, last = _steps(path)
    for step in steps:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return resource.with_inputs(inputs)


def _steps(path: str) -> list[str | int]:
    """`a.b[0].c` as steps."""
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def _value(inputs: Any, path: str) -> Any:
    for step in _steps(path):
        inputs = inputs[step]
    return inputs
