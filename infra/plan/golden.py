"""A plan as text that a person can read in a review: one block a resource, in the order of the parts.

Names in angle brackets are what only a cloud knows. Text that is JSON, a bucket's policy for one, is laid out as such.
A value that is secret shows only that it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.plan.resources import Plan, Resource

__all__ = ["text"]

_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # how Pulumi spells what is known later
_MARK: Final = "4dabf18193072939515e22adb298388d"  # Pulumi's mark of what is not a plain value
_WIDE: Final = 100  # letters of a value that stays on one line
_PROVIDERS: Final = "pulumi:providers:"


def text(plan: Plan) -> str:
    """The whole plan."""
    cloud = sum(resource.custom and not resource.type.startswith(_PROVIDERS) for resource in plan.resources)
    head = [
        f"stack {plan.stack}: {cloud} resources in the cloud",
        f"reads from the cloud: {', '.join(plan.reads) or 'none'}",
    ]
    blocks = [_block(resource) for resource in plan.resources if resource.custom]
    return "\n\n".join(["\n".join(head), *blocks, "\n".join(["outputs", *_lines(plan.outputs, 1)])]) + "\n"


def _block(resource: Resource) -> str:
    marks = [word for word, said in (("protected", resource.protect), ("kept when removed", resource.retained)) if said]
    head = " ".join([resource.type, resource.name, *(f"[{mark}]" for mark in marks)])
    rows = [head, f"  part: {_part(resource)}"]
    if not resource.type.startswith(_PROVIDERS):
        rows.append(f"  provider: {resource.provider.split('::')[-2] if resource.provider else 'default'}")
    after = sorted(_explicit(resource))
    if after:
        rows.append(f"  after: {', '.join(after)}")
    return "\n".join([*rows, *_lines(resource.inputs, 1)])


def _part(resource: Resource) -> str:
    """The room that the resource is in: `Store`, or the cell itself."""
    return resource.parent.split("::")[2].rsplit(":", 1)[-1] if resource.parent else "none"


def _explicit(resource: Resource) -> set[str]:
    """What it waits for without naming it in a value."""
    named = {urn for urns in resource.depends_by.values() for urn in urns}
    return {urn.rsplit("::", 1)[1] for urn in resource.depends_on if urn not in named}


def _lines(value: Any, depth: int) -> Iterator[str]:
    """A value as indented lines, keys in order."""
    pad = "  " * depth
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from _field(f"{pad}{name}:", _shown(value[name]), depth)
    elif isinstance(value, list):
        for one in value:
            yield from _field(f"{pad}-", _shown(one), depth)


def _field(head: str, value: Any, depth: int) -> Iterator[str]:
    flat = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(flat) <= _WIDE or not isinstance(value, Mapping | list):
        yield f"{head} {flat}"
    else:
        yield head
        yield from _lines(value, depth + 1)


def _shown(value: Any) -> Any:
    """A value without Pulumi's marks; JSON in a text is unfolded, so that its changes show line by line."""
    if isinstance(value, Mapping):
        return "(secret)" if _MARK in value else {name: _shown(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if value == _UNKNOWN:
        return "(known later)"
    if isinstance(value, str) and value[:1] in ("{", "[") and len(value) > _WIDE:
        return _unfolded(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unfolded(value: str) -> Any:
    try:
        return {"(json)": json.loads(value)}
    except ValueError:
        return value
