"""Which class of a provider's SDK stands behind a type, and what that class says of inputs and outputs.

The SDKs are generated from the providers' schemas, so their classes are the schema in another dress. Private functions
of Pulumi are used here, in one place, with the version pinned in requirements.lock.
"""

from __future__ import annotations

import typing
from functools import cache
from importlib import import_module
from typing import Any

from pulumi import _types
from pulumi.runtime import rpc

__all__ = ["arguments", "nested", "resource_class", "returned", "union"]

#: The module of the SDK for each package; importing it makes its types known.
_MODULES = {"azure-native": "pulumi_azure_native", "scaleway": "pulumiverse_scaleway"}


@cache
def resource_class(kind: str) -> type | None:
    """The class of a type such as aws:s3/bucket:Bucket, or None for components and what no SDK here knows."""
    package, *_ = kind.split(":", 1)
    if package == "pulumi":
        return _provider_class(kind)
    try:
        import_module(_MODULES.get(package, f"pulumi_{package.replace('-', '_')}"))
    except ModuleNotFoundError:
        return None
    module = kind.rsplit(":", 1)[0]
    for known in rpc._RESOURCE_MODULES.get(module, []):
        found = known.mod_info["classes"].get(kind)  # type: ignore[attr-defined]
        if found:
            return getattr(import_module(known.mod_info["fqn"]), found)  # type: ignore[attr-defined]
    return None


def _provider_class(kind: str) -> type | None:
    if not kind.startswith("pulumi:providers:"):
        return None
    package = kind.rsplit(":", 1)[1]
    module = import_module(_MODULES.get(package, f"pulumi_{package.replace('-', '_')}"))
    return module.Provider


@cache
def returned(kind: str) -> dict[str, Any]:
    """What a type gives back: names on the wire and their types."""
    found = resource_class(kind)
    return _types.resource_types(found) if found else {}


@cache
def arguments(kind: str) -> type | None:
    """The class of a type's arguments: BucketArgs, or BucketInitArgs where another type has taken the first name."""
    found = resource_class(kind)
    if found is None:
        return None
    module = import_module(found.__module__)
    held = [getattr(module, name, None) for name in (f"{found.__name__}InitArgs", f"{found.__name__}Args")]
    return next((one for one in held if one is not None and _types.is_input_type(one)), None)


def nested(kind: Any) -> Any:
    """A type without Output, Input and Optional around it."""
    return _types.unwrap_type(kind)


def union(kind: Any) -> tuple[Any, ...]:
    """The members of a union other than None and what Pulumi wraps; the type itself when it is none."""
    origin = typing.get_origin(kind)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        return tuple(member for member in typing.get_args(kind) if member is not type(None))
    return (kind,)
