"""Asks the clouds' SDKs, in the room's own interpreter, whether the guard's tables speak of things that exist.

In:  {"types": [patterns], "paths": [[type, path]], "tags": [types]} on stdin
Out: {"types": [those that match nothing], "paths": [those that lead nowhere], "tags": [those that take tags]}
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Iterable, Iterator
from fnmatch import filter as matching
from importlib import import_module
from typing import Any

from pulumi import _types
from pulumi.runtime import rpc

from infra.plan import kinds

_SDKS = ("aws", "gcp", "azure_native", "alicloud", "ovh", "kubernetes", "random")


def _tokens() -> list[str]:
    for sdk in _SDKS:
        import_module(f"pulumi_{sdk}")
    import_module("pulumiverse_scaleway")
    modules: dict[str, list[Any]] = rpc._RESOURCE_MODULES
    return [kind for known in modules.values() for one in known for kind in one.mod_info["classes"]]


def _leads(asked: type | None, path: str) -> bool:
    """Whether a path such as a.b[*].c stands in a class of arguments."""
    if asked is None:
        return False
    head, _, rest = path.partition(".")
    kind = _types.input_type_types(asked).get(head.removesuffix("[*]"))
    if kind is None:
        return False
    return not rest or any(_leads(inner, rest) for inner in _inner(kind)) or any(_free(one) for one in _all(kind))


def _inner(kind: Any) -> Iterator[type]:
    for one in _all(kind):
        if isinstance(one, type) and _types.is_input_type(one):
            yield one


def _free(kind: Any) -> bool:
    """A mapping of anything."""
    return typing.get_origin(kind) in (dict, typing.get_origin(typing.Mapping[str, int])) or kind is dict


def _all(kind: Any) -> Iterator[Any]:
    for member in kinds.union(kinds.nested(kind)):
        held = kinds.nested(member)
        yield held
        if typing.get_origin(held) in (list, typing.get_origin(typing.Sequence[int])):
            yield from _all(typing.get_args(held)[0])
        elif len(kinds.union(held)) > 1:
            yield from _all(held)


def _tagged(types: Iterable[str]) -> Iterator[str]:
    for kind in types:
        asked = kinds.arguments(kind)
        words = {"labels"} if kind.startswith("gcp:") else {"tags", "labels"}  # Google's tags are a firewall's
        if asked is not None and words & set(_types.input_type_types(asked)):
            yield kind


def main() -> None:
    """Answers one question."""
    asked = json.load(sys.stdin)
    tokens = _tokens()
    paths = [row for row in asked["paths"] if not _leads(kinds.arguments(row[0]), row[1])]
    types = [one for one in asked["types"] if not one.startswith("pulumi:") and not matching(tokens, one)]
    json.dump({"types": types, "paths": paths, "tags": list(_tagged(asked["tags"]))}, sys.stdout)


if __name__ == "__main__":
    main()
