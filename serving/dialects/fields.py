"""Reads one field of a foreign request: the value, a default, or an error that names the field.

Multipart forms know text alone, so every reader takes a value as text too: `7` and `"7"`, `true` and `"true"`. A field
that is null, or empty text, was not given.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from serving.errors import BadField, BadType, Missing

__all__ = ["Fields", "choice", "flag", "lines", "must", "rows", "text", "unread", "whole"]

Fields = Mapping[str, object]

MOST_SHOWN: Final = 40  # characters of a wrong value that an error repeats
MOST_NAME: Final = 64  # characters of a name that nobody knows
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}(?:\.0{1,9})?")
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")  # what a database cannot keep
_FLAGS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def shown(value: object) -> str:
    """A wrong value as an error may repeat it: short, on one line."""
    return repr(_plain(str(value)[:MOST_SHOWN]))


def unread(fields: Fields, understood: Collection[str], *, most: int = 16) -> tuple[str, ...]:
    """Names of fields that mean nothing here, as a job may keep them and an answer repeat them."""
    return tuple(sorted(_plain(name[:MOST_NAME]) for name in fields if name not in understood)[:most])


def _plain(value: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value)


def text(fields: Fields, name: str, *, most: int = 1_000, spelled: str | None = None) -> str | None:
    """Text of at most so many characters. Raises BadType, BadField."""
    value, spelled = fields.get(name), spelled or name
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadType(spelled, f"{spelled} must be text.")
    if len(value) > most:
        raise BadField(spelled, f"{spelled} has {len(value):,} characters. Shorten it to {most:,} at most.")
    if _NOT_TEXT.search(value):
        raise BadField(spelled, f"{spelled} holds half a character or a null. Send plain UTF-8 text.")
    return value


def must(fields: Fields, name: str, *, most: int = 1_000, spelled: str | None = None) -> str:
    """Text that has to be there. Raises Missing too, for blank text as well."""
    value = text(fields, name, most=most, spelled=spelled)
    if value is None or not value.strip():
        raise Missing(spelled or name, f"{spelled or name} is missing. Give it as text that is not empty.")
    return value


def whole(fields: Fields, name: str, least: int, most: int, *, spelled: str | None = None) -> int | None:
    """A whole number: 8, 8.0 or "8". Raises BadType for another JSON type, BadField for another number."""
    value, spelled = fields.get(name), spelled or name
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadType(spelled, f"{spelled} must be a whole number.")
    number = _number(value)
    if number is None or not least <= number <= most:
        raise BadField(spelled, f"{spelled} is {shown(value)}. Give a whole number from {least:,} to {most:,}.")
    return number


def _number(value: int | float | str) -> int | None:
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    stripped = value.strip()
    return int(stripped.partition(".")[0]) if _WHOLE.fullmatch(stripped) else None


def flag(fields: Fields, name: str, *, spelled: str | None = None) -> bool | None:
    """true or false. Raises BadType, BadField."""
    value, spelled = fields.get(name), spelled or name
    if value is None or value == "" or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if not isinstance(value, str):
        raise BadType(spelled, f"{spelled} must be true or false.")
    if value.strip().lower() not in _FLAGS:
        raise BadField(spelled, f"{spelled} is {shown(value)}. Give true or false.")
    return _FLAGS[value.strip().lower()]


def choice(fields: Fields, name: str, among: Sequence[str], *, spelled: str | None = None) -> str | None:
    """One of some words, in whatever case. Raises BadType, BadField."""
    spelled = spelled or name
    value = text(fields, name, spelled=spelled)
    if value is None:
        return None
    found = next((each for each in among if each.lower() == value.strip().lower()), None)
    if found is None:
        raise BadField(spelled, f"{spelled} is {shown(value)}. Give one of {', '.join(among)}.")
    return found


def rows(value: object, field: str, *, most: int) -> list[Fields]:
    """A list of objects; one object counts as a list of one. Raises BadType, BadField."""
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if len(listed) > most:
        raise BadField(field, f"{field} has {len(listed):,} entries. Give {most} at most.")
    found: list[Fields] = []
    for place, each in enumerate(listed):
        if not isinstance(each, Mapping):
            raise BadType(f"{field}[{place}]", f"{field}[{place}] must be an object.")
        found.append(each)
    return found


def lines(value: object, field: str, *, most: int) -> list[object]:
    """A list of anything; one value counts as a list of one, null as none. Raises BadField."""
    if value is None or value == "":
        return []
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if len(listed) > most:
        raise BadField(field, f"{field} has {len(listed):,} entries. Give {most} at most.")
    return listed
