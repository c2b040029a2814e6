"""Holds what a program asks for against the provider's schema: names, what must be there, and types, all the way down.

The SDK's constructors check only the first level, and only names. A dictionary deeper down, or a wrong type, would come
back from the cloud half an hour into an update. `python -m infra.plan.arguments` reads a list of plans as
JSON, and prints a list of lists.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pulumi import _types
from pulumi.runtime.rpc import UNKNOWN

from infra.plan import kinds
from infra.plan.resources import Plan, Resource

__all__ = ["mistakes"]

_MARK: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
_PLAIN: Final[Mapping[type, tuple[type, ...]]] = {
    str: (str,),
    int: (int, float),
    float: (int, float),
    bool: (bool,),
    dict: (dict,),
}


def mistakes(plan: Plan) -> list[str]:
    """All that does not fit, each with its resource and place; none when the plan is sound."""
    found = [f"{one.name}: {said}" for one in plan.resources if one.custom for said in _of(one)]
    doubles = _doubles([f"{one.type} {one.name}" for one in plan.resources])
    return found + [f"{name} stands twice in the plan" for name in doubles]


def _of(resource: Resource) -> Iterator[str]:
    asked = kinds.arguments(resource.type)
    if asked is None:
        yield f"no SDK here knows {resource.type}"
        return
    given = _unpacked(resource.inputs) if resource.type.startswith("pulumi:providers:") else resource.inputs
    yield from _fields(asked, given, resource.type)


def _fields(asked: type, given: Mapping[str, Any], place: str) -> Iterator[str]:
    types = _types.input_type_types(asked)
    names = _types.input_type_py_to_pulumi_names(asked)
    for name in sorted(set(given) - set(types)):
        yield f"{place} has no {name}"
    required = {names.get(name, name) for name in _types._required_property_names(asked)} & set(types)
    for name in sorted(required - set(given)):
        yield f"{place} needs {name}"
    for name in sorted(set(given) & set(types)):
        yield from _value(types[name], given[name], f"{place}.{name}")


def _value(kind: Any, given: Any, place: str) -> Iterator[str]:
    given = _opened(given)
    if given is None or given == UNKNOWN:
        return
    complaints = [list(_one(member, given, place)) for member in kinds.union(kinds.nested(kind))]
    if complaints and all(complaints):
        yield from min(complaints, key=len)


def _one(kind: Any, given: Any, place: str) -> Iterator[str]:
    """What is wrong with a value if it is to be of this one type."""
    kind = kinds.nested(kind)
    origin = typing.get_origin(kind)
    if len(kinds.union(kind)) > 1:
        yield from _value(kind, given, place)
    elif isinstance(kind, type) and _types.is_input_type(kind):
        yield from _fields(kind, given, place) if isinstance(given, Mapping) else [f"{place} is an object"]
    elif kind in _PLAIN:
        yield from _plain(kind, given, place)
    elif origin in (list, Sequence):
        yield from _items(typing.get_args(kind)[0], given, place)
    elif origin in (dict, Mapping):
        yield from _entries(typing.get_args(kind)[1], given, place)


def _plain(kind: type, given: Any, place: str) -> Iterator[str]:
    if not isinstance(given, _PLAIN[kind]) or (isinstance(given, bool) and kind is not bool):
        yield f"{place} is {kind.__name__} and not {type(given).__name__}"


def _items(kind: Any, given: Any, place: str) -> Iterator[str]:
    if not isinstance(given, list):
        yield f"{place} is a list"
        return
    for number, one in enumerate(given):
        yield from _value(kind, one, f"{place}[{number}]")


def _entries(kind: Any, given: Any, place: str) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"{place} is a mapping"
        return
    for name in sorted(given):
        yield from _value(kind, given[name], f"{place}.{name}")


def _unpacked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's settings travel as JSON in texts, but for texts themselves."""
    return {name: _decoded(value) for name, value in inputs.items()}


def _decoded(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("[", "{", "t", "f"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _opened(given: Any) -> Any:
    """What is inside a secret."""
    if isinstance(given, Mapping) and given.get(_MARK) == _SECRET:
        return given.get("value")
    return given


def _doubles(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


if __name__ == "__main__":
    json.dump([mistakes(Plan.from_json(row)) for row in json.load(sys.stdin)], sys.stdout)
