"""Lint says what the schema says, and nothing that a person could have written passes it."""

from __future__ import annotations

import base64
import json
import re
import string
from contextlib import suppress

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.canonical import encode as canonical
from policies.errors import Malformed, PolicyError
from policies.log.lint import MOST_ENTRY, Lint, lint, schema, schema_digest

SCHEMA = json.loads(schema())
DEFS = SCHEMA["$defs"]
KINDS = [part["$ref"].removeprefix("#/$defs/") for part in SCHEMA["oneOf"]]
VALIDATORS = {
    kind: jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": DEFS}) for kind in KINDS
}  # fmt: skip
JUNK = st.one_of(
    st.booleans(), st.integers(-3, 2**53 - 1), st.text(max_size=12), st.just([]), st.just({}), st.just(""),
    st.text(string.hexdigits + "trw-./", max_size=66),
)  # fmt: skip


def values(node) -> st.SearchStrategy:
    """Values that a part of the schema allows."""
    if "$ref" in node:
        return st.deferred(lambda: values(DEFS[node["$ref"].removeprefix("#/$defs/")]))
    if "const" in node:
        return st.just(node["const"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    return {
        "string": lambda: words(node["pattern"]),
        "integer": lambda: st.integers(node["minimum"], node["maximum"]),
        "boolean": st.booleans,
        "array": lambda: st.lists(values(node["items"]), max_size=min(4, node["maxItems"])),
        "object": lambda: objects(node),
    }[node["type"]]()


def words(pattern: str) -> st.SearchStrategy:
    """Strings of a pattern; hexadecimal digits from bytes, which hypothesis draws in one piece."""
    if plain := re.fullmatch(r"\^([a-z]-)?\[0-9a-f\]\{([0-9]+)\}\$", pattern):
        head, half = plain[1] or "", int(plain[2]) // 2
        return st.binary(min_size=half, max_size=half).map(lambda data: head + data.hex())
    return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True).filter(str.isprintable)


def objects(node) -> st.SearchStrategy:
    parts = {key: values(part) for key, part in node["properties"].items()}
    needed = set(node["required"])
    return st.fixed_dictionaries(
        {key: part for key, part in parts.items() if key in needed},
        optional={key: part for key, part in parts.items() if key not in needed},
    )


@st.composite
def mutated(draw, kind):
    """An entry with one thing about it changed: a value, a key more, or a key less, at any depth."""
    value = draw(values(DEFS[kind]))
    place = value
    while inner := [key for key, part in place.items() if isinstance(part, dict) and part]:
        if not draw(st.booleans()):
            break
        place = place[draw(st.sampled_from(inner))]
    key = draw(st.sampled_from(sorted(place)))
    match draw(st.sampled_from(["change", "drop", "add", "grow"])):
        case "change":
            place[key] = draw(JUNK)
        case "drop":
            del place[key]
        case "add":
            place[draw(st.sampled_from(["aa", "note", "zz", "subj", "old", "user"]))] = draw(JUNK)
        case "grow":
            place[key] = [place[key]] if draw(st.booleans()) else f"{place[key]}0"
    return value


def passes(data: bytes) -> bool:
    try:
        lint(data)
    except Malformed:
        return False
    return True


def agrees(kind, value) -> bool:
    """Whether another implementation of JSON Schema allows the value."""
    return VALIDATORS[kind].is_valid(value)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(st.data())
def test_what_the_schema_allows_passes(kind, data):
    value = data.draw(values(DEFS[kind]))

    assert agrees(kind, value)
    assert passes(canonical(value))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(st.data())
def test_a_changed_entry_passes_when_another_implementation_of_json_schema_allows_it(kind, data):
    value = data.draw(mutated(kind))

    expected = any(agrees(each, value) for each in KINDS)

    assert passes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()) == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(st.data())
def test_only_the_canonical_bytes_pass(kind, data):
    value = data.draw(values(DEFS[kind]))
    bytes_ = canonical(value)
    turned = json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode()

    assert not passes(json.dumps(value, sort_keys=True).encode())
    assert turned == bytes_ or not passes(turned)
    assert not passes(bytes_ + b"\n")
    assert not passes(bytes_.replace(b'"v":"equerry', b'"v":"\\u0065querry'))
    assert not passes(bytes_.replace(b'"t":', b'"t":"pad","t":', 1))


PEOPLE = [
    "a red circle bounces up and down",
    "a-red-circle-bounces-up-and-down",
    "red_circle",
    "Taro Yamada",
    "taro.yamada",
    "山田太郎",
    "anna@example.org",
    "+81312345678",
    "192.0.2.17",
    "10.0.0.1:8080",
    "2001:db8::17",
    "::1",
    "https://example.org/film.mp4",
    "//host/share",
    "film.mp4",
    "/home/anna/film.mp4",
    "1-2-3 Chiyoda, Tokyo",
    "C:\\film",
    "<script>",
    "",
    "a\nb",
]
ENCODED = [*PEOPLE, *(base64.b64encode(text.encode()).decode() for text in PEOPLE if text)]


def strings(node, path=()):
    """Each place of a kind where a string stands that is not one of a list, with the schema of that string."""
    node = DEFS[node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node
    if node.get("type") == "object":
        for key, part in node["properties"].items():
            yield from strings(part, (*path, key))
    elif node.get("type") == "array":
        yield from strings(node["items"], (*path, 0))
    elif "pattern" in node:
        yield path, node["pattern"]


PATTERNS = sorted({pattern for kind in KINDS for _, pattern in strings(DEFS[kind])})


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_field_takes_a_prompt_a_name_an_address_or_their_base64(pattern):
    assert [text for text in ENCODED if re.fullmatch(pattern.removesuffix("$"), text)] == []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(st.data())
def test_an_entry_in_which_a_person_s_words_stand_does_not_pass(kind, data):
    value = data.draw(values(DEFS[kind]))
    path = data.draw(st.sampled_from([path for path, _ in strings(DEFS[kind])]))
    text = data.draw(st.sampled_from(ENCODED) | st.text(min_size=1).filter(lambda text: not text.isascii()))

    assert not passes(json.dumps(placed(value, path, text), sort_keys=True, separators=(",", ":")).encode())


def placed(value, path, text):
    """The value with a text at a path; what is not there is made."""
    if not path:
        return text
    if path[0] == 0:
        return [placed("", path[1:], text)]
    there = value if isinstance(value, dict) else {}
    return {**there, path[0]: placed(there.get(path[0]), path[1:], text)}


def test_no_key_of_an_entry_is_chosen_by_its_writer():
    def closed(node):
        inner = node.get("properties", {}).values() if isinstance(node, dict) else ()
        return all(map(closed, inner)) and (node.get("type") != "object" or node["additionalProperties"] is False)

    assert all(map(closed, DEFS.values()))


def test_an_entry_that_is_too_long_is_refused_without_being_read():
    with pytest.raises(Malformed, match="too long"):
        lint(b"{" + b" " * MOST_ENTRY)


def test_the_longest_number_of_each_field_is_one_that_every_json_reader_keeps():
    assert max(node["maximum"] for node in DEFS.values() if "maximum" in node) < 2**53


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b'{"t":"pad",' + tail))
def test_any_bytes_are_an_entry_or_malformed(data):
    assert passes(data) is False


@pytest.mark.parametrize("part", ["minLength", "format", "not", "allOf", "if", "dependentRequired"])
def test_a_schema_that_says_more_than_lint_checks_is_refused(part):
    more = {**SCHEMA, "$defs": {**DEFS, "count": {**DEFS["count"], part: 1}}}

    with pytest.raises(Malformed, match=part):
        Lint(json.dumps(more).encode())


@pytest.mark.parametrize(
    "pattern", ["^.*$", "^a+$", "[a-z]{3}", "^[^a]$", "^[ -~]{2}$", '^"$', r"^\w{3}$", "^(a){2}$", "^a.b$"]
)
def test_a_pattern_that_is_open_is_refused(pattern):
    more = {**SCHEMA, "$defs": {**DEFS, "region": {**DEFS["region"], "pattern": pattern}}}

    with pytest.raises(Malformed, match="pattern"):
        Lint(json.dumps(more).encode())


WORDS = ["oneOf", "$defs", "$ref", "properties", "t", "const", "type", "required", "additionalProperties"]
SCHEMAS = st.recursive(JUNK, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner))


@settings(max_examples=100)
@given(st.binary(max_size=80) | SCHEMAS.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_schema_or_malformed(data):
    with suppress(PolicyError):
        Lint(data)


def test_the_schema_is_one_and_is_named_by_its_digest():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert Lint(schema()).digest == schema_digest()
