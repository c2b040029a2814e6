"""What a cloud would answer, as names: the ARN of `eu-arn-films` becomes `<eu-arn-films.arn>`.

Under `pulumi preview` these values are unknown, and everything that is made from them is unknown too, bucket policies
for one. With names instead, a plan shows who is linked to whom, and what a policy really says.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Final

from pulumi import _types

from infra.plan import kinds

__all__ = ["outputs"]

_DEEPEST: Final = 8  # steps into a nested answer; a list of fields is two


def outputs(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """All that a resource gives back: its inputs as they are, and a name for every text that only a cloud knows."""
    imagined = {field: _imagine(type_, f"{name}.{field}", _DEEPEST) for field, type_ in kinds.returned(kind).items()}
    return _over(imagined, inputs)


def _over(imagined: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for stands; what a cloud adds to it stands beside it, inside objects too."""
    known = {field: value for field, value in imagined.items() if value is not None}
    both = {
        field: _over(known[field], value) if isinstance(value, dict) and isinstance(known.get(field), dict) else value
        for field, value in inputs.items()
    }
    return {**known, **both}


def _imagine(type_: Any, path: str, depth: int) -> Any:
    """A value of that type made of names; None where only a number or a truth would do."""
    for member in kinds.union(kinds.nested(type_)):
        held = kinds.nested(member)
        if held is str:
            return f"<{path}>"
        if depth and isinstance(held, type) and _types.is_output_type(held):
            return _of_fields(_types.output_type_types(held), path, depth)
        if depth and typing.get_origin(held) in (list, typing.Sequence, _SEQUENCE):
            value = _imagine(typing.get_args(held)[0], f"{path}[0]", depth - 1)
            return None if value is None else [value]
    return None


def _of_fields(fields: Mapping[str, Any], path: str, depth: int) -> dict[str, Any]:
    made = {field: _imagine(type_, f"{path}.{field}", depth - 1) for field, type_ in fields.items()}
    return {field: value for field, value in made.items() if value is not None}


_SEQUENCE: Final = typing.get_origin(typing.Sequence[int])  # collections.abc.Sequence
