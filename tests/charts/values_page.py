"""The reference page of the chart's values, made from the comments of values.yaml.

`python -m tests.charts.values_page` writes it; a test holds it to what this makes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["PAGE", "VALUES", "documented", "page", "undocumented"]

ROOT: Final = Path(__file__).resolve().parents[2]
VALUES: Final = ROOT / "charts" / "equerry-cell" / "values.yaml"
PAGE: Final = ROOT / "docs" / "charts" / "values.md"
_KEY: Final = re.compile(r"( *)([A-Za-z]+):")

HEAD: Final = """# Values of the chart

What `helm install` takes for `charts/equerry-cell`. The files `values-PROVIDER.yaml` beside it are whole examples. A
value that is not known, of the wrong kind, or that contradicts another is refused with the reason.

This page is made from the comments of `values.yaml`: `python -m tests.charts.values_page`.
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value."""

    path: str  # such as database.external.host
    section: str  # heading that it stands under
    what: str
    default: Any


def documented(text: str) -> Iterator[Value]:
    """Every value with a comment that begins with `--`, in order."""
    tree = yaml.safe_load(text)
    section = ""
    lines: list[str] = []
    above: list[str] = []
    for line in text.splitlines():
        key = _KEY.match(line)
        if line.startswith("# ## "):
            section = line.removeprefix("# ## ")
        elif line.lstrip().startswith("# -- "):
            lines = [line.lstrip().removeprefix("# -- ")]
        elif lines and line.lstrip().startswith("# "):
            lines.append(line.lstrip().removeprefix("# "))
        elif key:
            above = [*above[: len(key[1]) // 2], key[2]]
            if lines:
                yield Value(".".join(above), section, " ".join(lines), _at(tree, above))
            lines = []


def undocumented(text: str) -> list[str]:
    """Values that no comment explains, themselves or above them."""
    known = [value.path for value in documented(text)]
    return [path for path in _paths(yaml.safe_load(text)) if not any(f"{path}.".startswith(f"{one}.") for one in known)]


def page(text: str) -> str:
    """The page, in Markdown."""
    parts, section = [HEAD], ""
    for value in documented(text):
        if value.section != section:
            section = value.section
            parts.append(f"\n## {section}\n\n| value | what | default |\n|---|---|---|\n")
        parts.append(f"| `{value.path}` | {value.what} | {_shown(value.default)} |\n")
    return "".join(parts)


def _at(tree: Any, path: list[str]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def _paths(tree: Any, above: str = "") -> Iterator[str]:
    if not isinstance(tree, dict) or not tree:
        yield above
        return
    for name, each in tree.items():
        yield from _paths(each, f"{above}.{name}" if above else name)


def _shown(value: Any) -> str:
    return "none" if value in ("", [], {}) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(VALUES.read_text("utf-8")), "utf-8")
