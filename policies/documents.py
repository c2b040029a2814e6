"""What kind a document is, by its own `v`, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from policies.canonical import encode
from policies.catalogue import Catalogue
from policies.cedar import Cedar
from policies.errors import Malformed
from policies.lists import Lists
from policies.overlay import Overlay
from policies.policy import Policy
from policies.signatures import Kind, read_json

__all__ = ["check"]


def check(text: bytes) -> tuple[Kind, bytes]:
    """The kind and the canonical bytes of a document, once it holds. Raises Malformed or Refused with what does not."""
    value = read_json(text, "document")
    name = value.get("v") if isinstance(value, Mapping) else None
    kind = next((kind for kind in Kind if name == f"equerry.{kind}/1"), None)
    if kind is None:
        raise Malformed(f"The document's `v` is {name!r}; it should be one of {', '.join(_names())}.")
    canonical = encode(value)
    _PARSERS[kind](canonical)
    return kind, canonical


def _names() -> list[str]:
    return [f"equerry.{kind}/1" for kind in Kind]


_PARSERS: Final[Mapping[Kind, Callable[[bytes], object]]] = {
    Kind.CATALOGUE: Catalogue.parse,
    Kind.OVERLAY: Overlay.parse,
    Kind.LISTS: Lists.parse,
    Kind.POLICY: lambda bundle: Cedar.load(Policy.parse(bundle)),
}
