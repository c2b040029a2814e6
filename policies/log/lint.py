"""The machine's proof that the log holds no prompt, no name, no address and no free text.

The schema (JSON Schema 2020-12) says what each kind of entry may hold. It is compiled to one regular expression per
kind over the entry's canonical bytes, so that one pass over the bytes checks the JSON, its canonical form and the
schema together, at several hundred thousand entries a second. The compiler knows a small part of JSON Schema and
refuses the rest: a keyword that it overlooked would be a hole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from policies.canonical import Digest, sha256
from policies.errors import Malformed

__all__ = ["MOST_ENTRY", "Lint", "lint", "schema", "schema_digest", "shipped"]

MOST_ENTRY: Final = 16_384  # bytes of one entry; the tile format could hold 65,535
_MOST_SCHEMA: Final = 1 << 20
_PERHAPS_COMMA: Final = r"(?:(?<=\{)|(?<!\{),)"  # none right after the bracket, else one
_PLAIN_PATTERN = re.compile(
    r"(?:[A-Za-z0-9_/:-]|\\\.|\[(?:a-z|a-f|A-Z|0-9|[A-Za-z0-9_])+-?\]|\(\?:|\)|\||\?|\{[0-9]{1,3}(?:,[0-9]{1,3})?\})*"
)
_KIND: Final = b'"t":"'
_TYPES: Final = {"object", "array", "string", "integer", "boolean"}
_WORDS: Final = {"$ref", "type", "const", "enum", "pattern", "minimum", "maximum", "items", "maxItems"} | {
    "properties",
    "required",
    "additionalProperties",
    "description",
}


@cache
def schema() -> bytes:
    """The schema of entries that this version writes, as it ships."""
    return (files("policies.log") / "schema" / "entry-1.json").read_bytes()


@cache
def schema_digest() -> Digest:
    """The digest by which `shard.open` names the schema, and under which it is stored."""
    return sha256(schema())


def lint(entry: bytes) -> None:
    """Raises Malformed unless the shipped schema allows exactly these bytes."""
    shipped()(entry)


@cache
def shipped() -> Lint:
    """The lint of the shipped schema, compiled once."""
    return Lint(schema())


class Lint:
    """A schema, compiled. Calling it checks one entry; `fields` also returns what the entry says."""

    def __init__(self, text: bytes) -> None:
        self.digest = sha256(text)
        self._kinds: dict[bytes, tuple[re.Pattern[bytes], ...]] = {}
        for kind, pattern in _compiled(_parsed(text)):
            self._kinds[kind] = (*self._kinds.get(kind, ()), pattern)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of entry that there are."""
        return frozenset(kind.decode() for kind in self._kinds)

    def __call__(self, entry: bytes) -> None:
        """Raises Malformed unless the schema allows exactly these bytes."""
        self.match(entry)

    def match(self, entry: bytes) -> re.Match[bytes]:
        """The fields at the top of an entry as groups: text without quotes, the rest as JSON. Raises Malformed.

        The error never repeats the entry: what fails here may be just what must not be shown.
        """
        if len(entry) > MOST_ENTRY:
            raise Malformed(f"An entry of {len(entry):,} bytes is too long; {MOST_ENTRY:,} are allowed.")
        place = entry.find(_KIND) + len(_KIND)  # a guess, which the expression checks
        kind = entry[place : entry.find(b'"', place)]
        patterns = self._kinds.get(kind, ())
        if not patterns:
            raise Malformed("An entry is of no kind that the schema knows. Write it with policies.log.entry.")
        for pattern in patterns:
            if found := pattern.fullmatch(entry):
                return found
        raise Malformed(
            f"An entry of the kind {kind.decode()} is not as the schema says. Write it with policies.log.entry."
        )


def _parsed(text: bytes) -> Mapping[str, Any]:
    if len(text) > _MOST_SCHEMA:
        raise Malformed(f"A schema of {len(text):,} bytes is too long; {_MOST_SCHEMA:,} are allowed.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("The schema of entries is not JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("$defs"), dict):
        raise Malformed("The schema of entries has no definitions.")
    return document


def _compiled(document: Mapping[str, Any]) -> Iterator[tuple[bytes, re.Pattern[bytes]]]:
    """Each kind with an expression for it; a kind may have several."""
    try:
        for entry in document["oneOf"]:
            node = _followed(entry, document["$defs"])
            expression = _object(node, document["$defs"], named=True)
            yield node["properties"]["t"]["const"].encode(), re.compile(expression.encode())
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError, OverflowError, re.error):
        raise Malformed("The schema of entries is not one that this version can check. Use the one it ships.") from None


def _followed(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if (target := node.get("$ref")) is None:
        return node
    return _followed(definitions[target.removeprefix("#/$defs/")], definitions)


def _expression(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What canonical bytes of a value look like that this part of the schema allows."""
    node = _followed(node, definitions)
    if unknown := set(node) - _WORDS:
        raise Malformed(f"The schema uses {sorted(unknown)[0]}, which lint does not check.")
    if "const" in node:
        return re.escape(_plain(node["const"]))
    if "enum" in node:
        return '"(?:' + "|".join(re.escape(_plain(word)[1:-1]) for word in node["enum"]) + ')"'
    match node["type"]:
        case "string":
            return _text(node["pattern"])
        case "integer":
            return _integer(node["minimum"], node["maximum"])
        case "boolean":
            return "(?:true|false)"
        case "array":
            return _array(_expression(node["items"], definitions), node["maxItems"])
        case "object":
            return _object(node, definitions)
    raise Malformed(f"The schema has a value of a type other than {', '.join(sorted(_TYPES))}.")


def _plain(word: object) -> str:
    """A string of the schema as JSON; it holds nothing that JSON would escape."""
    if not isinstance(word, str) or not re.fullmatch(r"[A-Za-z0-9._:/+-]{1,128}", word):
        raise Malformed("The schema lists a value that is not a plain word.")
    return f'"{word}"'


def _text(pattern: str) -> str:
    """A string that matches a pattern, which must be anchored, bounded in length and made of plain characters."""
    body = pattern.removeprefix("^").removesuffix("$")
    if len(body) != len(pattern) - 2 or not _PLAIN_PATTERN.fullmatch(body):
        raise Malformed("A pattern of the schema is not anchored, or is written with more than lint reads.")
    return f'"(?:{body})"'


def _integer(least: int, most: int) -> str:
    """Whole numbers from 0 or a power of ten to one less than a power of ten."""
    digits = len(str(most))
    if most != 10**digits - 1 or least not in {0, 10 ** (digits - 1)}:
        raise Malformed("The schema bounds a number otherwise than by its number of digits.")
    return f"(?:0|[1-9][0-9]{{0,{digits - 1}}})" if least == 0 else f"[1-9][0-9]{{{digits - 1}}}"


def _array(item: str, most: int) -> str:
    return rf"\[(?:{item}(?:,{item}){{0,{most - 1}}})?\]"


def _object(node: Mapping[str, Any], definitions: Mapping[str, Any], *, named: bool = False) -> str:
    """An object whose keys are all known; canonical JSON has them in one order only."""
    if node["additionalProperties"] is not False:
        raise Malformed("The schema lets an object have keys that it does not name.")
    parts, certain = [], False  # certain: a key stands before this one, whatever is left out
    for place, key in enumerate(sorted(node["properties"])):
        comma = "," if certain else _PERHAPS_COMMA if place else ""
        needed = key in node["required"]
        member = f"{comma}{re.escape(_plain(key))}:{_value(key, node, definitions, named)}"
        parts.append(member if needed else f"(?:{member})?")
        certain = certain or needed
    return "{" + "".join(parts) + "}"


def _value(key: str, node: Mapping[str, Any], definitions: Mapping[str, Any], named: bool) -> str:
    value = _expression(node["properties"][key], definitions)
    if not named:
        return value
    return f'"(?P<{key}>{value[1:-1]})"' if value.startswith('"') else f"(?P<{key}>{value})"
