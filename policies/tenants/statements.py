"""The statements of `tenants.sql`, by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["statement"]

_NAME: Final = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)


def statement(name: str) -> str:
    """One statement, or for `schema` several."""
    return _statements()[name]


@cache
def _statements() -> dict[str, str]:
    _, *parts = _NAME.split((files("policies.tenants") / "tenants.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
