"""The settings' reference page and example file, made from the docstrings of `serving.settings`.

`python -m serving.settings_page` writes both; a test holds them to what this makes.
"""

from __future__ import annotations

import json
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from serving.settings import CellSettings, Section

__all__ = ["EXAMPLE", "PAGE", "example", "page"]

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "settings.md"
EXAMPLE: Final = ROOT / "serving" / "cell.example.toml"
WIDTH: Final = 118
KINDS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false"}

HEAD: Final = """# Settings of a cell

A cell is described by one TOML file; [an example](../serving/cell.example.toml) has every field. A variable
`EQUERRY_SECTION__FIELD` in the environment comes before what the file says, such as `EQUERRY_JOBS__LEASE=45`; lists and
tables are written there as JSON. Paths are relative to the settings file. Settings hold no secret: they name the file
that does, which only the cell's own user may read (mode 0600). A mistake is refused with file, line and field.

This page is made from the settings' own docstrings: `python -m serving.settings_page`.
"""


def page() -> str:
    """The reference page, in Markdown."""
    parts = [HEAD]
    for name, section in _sections():
        parts.append(f"\n## [{name}]\n\n{_flat(section.__doc__)}\n\n| field | what | default |\n|---|---|---|\n")
        parts += [_row(field, facts) for field, facts in section.model_fields.items()]
    return "".join(parts)


def _row(name: str, facts: FieldInfo) -> str:
    return f"| `{name}` | {_kind(facts)}. {_flat(facts.description)} | {_shown(facts)} |\n"


def example() -> str:
    """A settings file that a cell can start with; what has a default stands there as a comment."""
    head = "Settings of one cell. Every line that begins with #: is a default; take the #: away to change it."
    lines = [*_comment(head)]
    for name, section in _sections():
        lines += ["", *_comment(_flat(section.__doc__)), f"[{name}]"]
        for field, facts in section.model_fields.items():
            lines += ["", *_comment(_flat(facts.description)), *_setting(field, facts)]
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[tuple[str, type[Section]]]:
    for name, facts in CellSettings.model_fields.items():
        if isinstance(facts.annotation, type) and issubclass(facts.annotation, Section):
            yield name, facts.annotation


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _setting(name: str, facts: FieldInfo) -> list[str]:
    if facts.is_required():
        return [f"{name} = {_toml((facts.examples or [''])[0])}"]
    if isinstance(facts.default, dict):
        return [f"#: {name} = {{ NAME = … }}"]
    return [f'#: {name} = "FILE"' if facts.default is None else f"#: {name} = {_toml(facts.default)}"]


def _toml(value: object) -> str:
    """A value as TOML writes it, which for these types is how JSON does."""
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _shown(facts: FieldInfo) -> str:
    if facts.default is PydanticUndefined:
        return "needed"
    if facts.default in (None, "", (), {}):
        return "none"
    return f"`{_toml(facts.default)}`"


def _kind(facts: FieldInfo) -> str:
    """What a field holds, in words: its type as a reader of TOML sees it."""
    return "path of a secret" if "secret" in facts.metadata else _said(facts.annotation).capitalize()


def _said(kind: Any) -> str:
    if "secret" in getattr(kind, "__metadata__", ()):
        return "path of a secret"
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{_toml(each)}`" for each in inner)
    if origin is tuple:
        return f"list of {_said(inner[0])}"
    if origin is dict:
        return f"table of {_said(inner[1])}"
    if origin in (Union, types.UnionType):
        return _said(inner[0])
    if hasattr(kind, "__metadata__"):
        return _said(inner[0])
    return KINDS.get(kind, "path" if kind is Path else "network such as 10.0.0.0/8")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
