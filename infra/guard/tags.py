"""Tags: everything that can carry them says which cell it is of, so that bills, searches and auditors find it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import Seen, at
from infra.guard.tables.tagged import TAGGED

__all__ = ["tagged"]

_CELL: Final = "equerry:cell"
_NAMES: Final = (_CELL, "equerry:jurisdiction", "equerry:region")


def tagged(seen: Seen, border: Border) -> Iterator[str]:
    """The three tags, with this cell's own values."""
    path = TAGGED.get(seen.type)
    if path is None:
        return
    found = _read(next(at(seen.inputs, path)))
    for name, wanted in zip(_NAMES, (border.spec.cell, border.spec.jurisdiction, border.spec.region), strict=True):
        value = found.get(name, found.get(name.replace(":", "-")))
        if value is None or str(value).lower() != wanted.lower():
            said = "is left out" if value is None else f'is "{value}"'
            yield f"{path}: {name} {said}; it should be {wanted}. Give it the site's tags or labels."


def _read(value: object) -> dict[str, object]:
    """Tags as a mapping; Scaleway writes them as words with an equals sign."""
    if isinstance(value, Mapping):
        return {str(name): held for name, held in value.items()}
    if isinstance(value, list):
        return {name: held for name, _, held in (str(word).partition("=") for word in value)}
    return {}
