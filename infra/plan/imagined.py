"""What a cloud would answer, as names: the ARN of `eu-arn-films` becomes `<eu-arn-films.arn>`.

Under `pulumi preview` these values are unknown, and everything that is made from them is unknown too, bucket policies
for one. With names instead, a plan shows who is linked to whom, and what a policy really says. Numbers and truths that
only a cloud knows stay unknown.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pulumi import _types

from infra.plan import kinds

__all__ = ["outputs"]

#: Steps into a nested answer; a list of fields is two. The program of AWS reads six (a firewall's endpoint in a zone).
#: Azure's networks name one another without end: eight steps are 170,000 fields of one plan, six are 34,000.
_DEEPEST: Final = 6
_MARK: Final = "4dabf18193072939515e22adb298388d"  # Pulumi's mark of what is not a plain value


def outputs(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """All that a resource gives back: what was asked for, and a name for every text that only a cloud knows."""
    return _object(kinds.returned(kind), inputs, name, _DEEPEST)


def _object(fields: Mapping[str, Any], given: Mapping[str, Any], path: str, depth: int) -> dict[str, Any]:
    made = {field: _answer(type_, given.get(field), f"{path}.{field}", depth) for field, type_ in fields.items()}
    return {field: value for field, value in made.items() if value is not None}


def _answer(type_: Any, given: Any, path: str, depth: int) -> Any:
    """The value that was given, with what a cloud adds to it; names where none was given, or one of another shape."""
    members = [kinds.nested(member) for member in kinds.union(kinds.nested(type_))]
    if isinstance(given, Mapping) and _MARK not in given:
        return _from_object(members, given, path, depth)
    if isinstance(given, list):
        return _from_list(members, given, path, depth)
    return _imagine(members, path, depth) if given is None else given


def _from_object(members: list[Any], given: Mapping[str, Any], path: str, depth: int) -> Any:
    fields = next((_types.output_type_types(one) for one in members if _is_object(one)), None)
    if fields is not None:
        return _object(fields, given, path, depth - 1) if depth else dict(given)
    return dict(given) if any(_is_mapping(one) for one in members) or Any in members else None


def _from_list(members: list[Any], given: list[Any], path: str, depth: int) -> Any:
    kind = next((typing.get_args(one)[0] for one in members if _is_list(one)), None)
    if kind is None:
        return list(given) if Any in members else None
    return [_answer(kind, one, f"{path}[{number}]", depth - 1) for number, one in enumerate(given)] if depth else given


def _imagine(members: list[Any], path: str, depth: int) -> Any:
    """A value of one of these types made of names; None where only a number or a truth would do."""
    for held in members:
        if held is str:
            return f"<{path}>"
        if depth and _is_object(held):
            return _object(_types.output_type_types(held), {}, path, depth - 1)
        if depth and _is_list(held):
            value = _answer(typing.get_args(held)[0], None, f"{path}[0]", depth - 1)
            return None if value is None else [value]
    return None


def _is_object(kind: Any) -> bool:
    return isinstance(kind, type) and _types.is_output_type(kind)


def _is_list(kind: Any) -> bool:
    return typing.get_origin(kind) in (list, Sequence)


def _is_mapping(kind: Any) -> bool:
    return kind is dict or typing.get_origin(kind) in (dict, Mapping)
