"""Reads a cell's settings: one TOML file with the environment over it, checked as a whole.

Every mistake is said at once, each with the file and line, or the variable, that it comes from. Values are not
repeated, since one may be a secret in the wrong place.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from serving.errors import Refused
from serving.secret import read_secret
from serving.settings import CellSettings, Section

__all__ = ["load", "named", "secrets_of"]

PREFIX: Final = "EQUERRY_"
FILE: Final = "EQUERRY_SETTINGS_FILE"
_HEADER: Final = re.compile(r"\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_SETTING: Final = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=")
Place = tuple[str, ...]


def named(arguments: Mapping[str, object] | None) -> Path:
    """The settings file that a program's arguments name as `settings`, or else the variable EQUERRY_SETTINGS_FILE.

    Absolute. Raises Refused when neither names one.
    """
    found = str((arguments or {}).get("settings") or os.environ.get(FILE, ""))
    if not found:
        raise Refused(f"No settings file is named. Give it as the argument `settings`, or in the variable {FILE}.")
    return Path(found).absolute()


def load(path: Path) -> CellSettings:
    """The settings of a file, with variables `EQUERRY_SECTION__FIELD` over it and paths made absolute.

    Raises Refused, which lists all mistakes: unknown names, wrong values, secrets' files that are missing or open.
    """
    text = _read(path)
    try:
        settings = CellSettings(**_parsed(path, text))
    except ValidationError as wrong:
        raise Refused(_told(_sentences(path, text, wrong))) from None
    except SettingsError as wrong:
        raise Refused(
            f"{_variable(str(wrong))}: the variable's value is not JSON. Lists are written as JSON."
        ) from None
    unknown = sorted(_unknown_variables())
    if unknown:
        raise Refused(
            _told(
                f"{name}: there is no such setting; `equerry cell settings` lists those there are." for name in unknown
            )
        )
    settings = _rooted(settings, path.absolute().parent)
    wrong_files = list(_wrong_files(path, text, settings))
    if wrong_files:
        raise Refused(_told(wrong_files))
    return settings


def secrets_of(settings: CellSettings) -> Iterator[tuple[Place, Path]]:
    """Where a secret's file is named, and the file."""
    for name, section in settings.sections().items():
        for field, facts in type(section).model_fields.items():
            if _is_secret(facts):
                for more, path in _paths(getattr(section, field)):
                    yield (name, field, *more), path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(
            f"There is no settings file {path}. Name the folder of a cell, or make one with `equerry cell init`."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise Refused(f"{path} cannot be read as text in UTF-8. Check the file and its permissions.") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise Refused(f"{path}: {wrong}. The file is not TOML there; mend that line.") from None


def _told(sentences: Iterable[str]) -> str:
    return "\n".join(sentences)


def _sentences(path: Path, text: str, wrong: ValidationError) -> Iterator[str]:
    for each in wrong.errors(include_url=False, include_input=False, include_context=False):
        place = tuple(str(part) for part in each["loc"] if "[" not in str(part))  # those are pydantic's own steps
        message = str(each["msg"]).removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            message = "there is no such setting; `equerry cell settings` lists those there are"
        elif each["type"] == "missing":
            message = "it is missing; `equerry cell settings` shows what to write"
        yield f"{_where(path, text, place)}: {message[0].lower()}{message[1:]}."


def _where(path: Path, text: str, place: Place) -> str:
    """The variable or the file and line that a setting comes from."""
    name = ".".join(place)
    for length in range(len(place), 1, -1):
        variable = PREFIX + "__".join(place[:length]).upper()
        if variable in os.environ:
            return f"the variable {variable}, {name}"
    lines = _lines(text)
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
    return ", ".join(part for part in (str(path), f"line {line}" if line else "", name) if part)


def _lines(text: str) -> Mapping[Place, int]:
    """The line, counted from 1, on which each setting and each section of a TOML file begins."""
    found: dict[Place, int] = {}
    section: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, setting = _HEADER.match(line), _SETTING.match(line)
        if header:
            section = _place(header[1])
            found.setdefault(section, number)
        elif setting:
            found.setdefault((*section, *_place(setting[1])), number)
    return found


def _place(text: str) -> Place:
    return tuple(part.strip(" \"'") for part in text.split("."))


def _unknown_variables() -> Iterator[str]:
    """Variables that are written like a setting and are none; pydantic overlooks those of an unknown section."""
    for name in os.environ:
        section, parts, _ = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and parts and section.lower() not in CellSettings.model_fields:
            yield name


def _variable(message: str) -> str:
    """The section whose variable cannot be read, from pydantic's message, as a variable's beginning."""
    found = re.search(r'field "([a-z_]+)"', message)
    return f"{PREFIX}{found[1].upper()}…" if found else f"{PREFIX}…"


def _rooted(settings: CellSettings, root: Path) -> CellSettings:
    """The same settings with every path absolute."""
    return settings.model_copy(update={name: _rooted_section(each, root) for name, each in settings.sections().items()})


def _rooted_section(section: Section, root: Path) -> Section:
    return section.model_copy(update={name: _rooted_value(value, root) for name, value in section})


def _rooted_value(value: object, root: Path) -> object:
    if isinstance(value, Path):
        return root / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_rooted_value(each, root) for each in value)
    if isinstance(value, dict):
        return {name: _rooted_value(each, root) for name, each in value.items()}
    return value


def _wrong_files(path: Path, text: str, settings: CellSettings) -> Iterator[str]:
    for place, secret in secrets_of(settings):
        try:
            read_secret(secret)
        except Refused as wrong:
            yield f"{_where(path, text, place)}: {wrong}"


def _is_secret(facts: FieldInfo) -> bool:
    """Whether a field names files with secrets, alone, in a list or in a table."""
    return "secret" in facts.metadata or _mentions_secret(facts.annotation)


def _mentions_secret(kind: object) -> bool:
    return "secret" in getattr(kind, "__metadata__", ()) or any(_mentions_secret(each) for each in get_args(kind))


def _paths(value: object) -> Iterator[tuple[Place, Path]]:
    if isinstance(value, Path):
        yield (), value
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield (str(number),), each
    elif isinstance(value, dict):
        for name, each in value.items():
            yield (name,), each
