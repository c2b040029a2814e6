"""Bodies of requests, within bounds: JSON, or a multipart form as a tree.

Form names spell the tree: `seed`, `tags[]`, `metadata[n][d]`, `media[][type]`. Lists of objects pair their parts by
order, so a second `media[][type]` begins the second object; parts that are missing in the middle cannot be seen, which
is why every list may also come as JSON text in one part.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.dialects.fields import Fields
from serving.dialects.luggage import CAME
from serving.dialects.media import File
from serving.errors import BadField, BadType, TooLarge

__all__ = ["Bounds", "aside", "files_of", "form_of", "json_of", "parse_json", "read_body", "tree"]

LONG: Final = 1 << 20  # bytes of a body that would keep other requests waiting while it is parsed
MOST_PLAIN: Final = 1 << 20  # bytes of a form without files
MOST_DEEP: Final = 6  # brackets in a name
PLAIN: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})  # codings of a form
Read = TypeVar("Read")
_NAME: Final = re.compile(r"([^\[\]]{1,100})((?:\[[^\[\]]{0,100}\]){0,6})")
_KEYS: Final = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may cost before it is refused with TooLarge."""

    body: int = 256 << 20
    """Bytes of a whole body. Nine images of 20 MB as data URIs take 243 MB."""
    part: int = 140 << 20
    """Bytes of one text part of a form: a film of 100 MiB as a data URI."""
    parts: int = 300
    """Parts of a form, files and texts each."""
    plain: int = 64 << 10
    """Bytes of a body that holds no media."""
    kept: int = 10 << 30
    """Bytes of one tenant that the cell keeps. Who keeps them holds this bound; here it is told."""


async def bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes; raises TooLarge as soon as its length is known, or seen, to be beyond the bound."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The request is larger than {most:,} bytes. Send less, or upload large media first.")


async def read_body(request: Request, most: int) -> bytes:
    """The whole body. Raises TooLarge."""
    async with aclosing(bounded(request, most)) as stream:
        return b"".join([chunk async for chunk in stream])


def parse_json(body: bytes) -> Fields:
    """A JSON object. Raises BadType, BadField."""
    try:
        found = json.loads(body or b"{}", parse_constant=_no_constant)
    except RecursionError:
        raise BadField("body", "The body is nested too deeply. Send a plain JSON object.") from None
    except ValueError:
        raise BadField("body", "The body is not valid JSON. Send a JSON object in UTF-8.") from None
    if not isinstance(found, dict):
        raise BadType("body", "The body must be a JSON object.")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(name)


async def json_of(request: Request, most: int) -> Fields:
    """The body as a JSON object, whatever its content type says. Raises TooLarge, BadType, BadField."""
    body = await read_body(request, most)
    return await asyncio.to_thread(parse_json, body) if len(body) > LONG else parse_json(body)


async def aside(request: Request, read: Callable[[], Read]) -> Read:
    """What a reader makes of this request's body: in a thread when it is long, since media in it take a while."""
    return await asyncio.to_thread(read) if request.scope.get(CAME, 0) > LONG else read()


async def form_of(request: Request, bounds: Bounds) -> FormData:
    """The body as a form, files spooled to disk; close it. Raises TooLarge, BadField."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return await FormParser(request.headers, bounded(request, min(bounds.body, MOST_PLAIN))).parse()
        _check_coding(request.headers["content-type"])
        return await MultiPartParser(
            request.headers,
            bounded(request, bounds.body),
            max_files=bounds.parts,
            max_fields=bounds.parts,
            max_part_size=bounds.part,
        ).parse()
    except MultiPartException as error:
        if "maximum size" in error.message:
            raise TooLarge(f"A part of the form is larger than {bounds.part:,} bytes. Send it as a file.") from None
        raise BadField("body", "The form cannot be read. Send multipart/form-data with a boundary.") from None
    except (KeyError, UnicodeError, ValueError):
        raise BadField("body", "The form cannot be read. Send multipart/form-data with a boundary.") from None


def _check_coding(kind: str) -> None:
    """The parser decodes text with whatever codec the sender names, and Python has some that take the square of a
    text's length, or make what is no text."""
    _, options = parse_options_header(kind)
    if options.get(b"charset", b"utf-8").lower() not in PLAIN:
        raise BadField("body", "The form names another coding. Send it in UTF-8.")


async def files_of(request: Request, bounds: Bounds) -> Fields:
    """The body as a tree, with its files in memory. Raises TooLarge, BadType, BadField."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await json_of(request, bounds.body)
    form = await form_of(request, bounds)
    try:
        pairs = [
            (name, File(value.filename or "", await value.read()) if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ]
    finally:
        await form.close()
    return tree(pairs)


def tree(parts: Iterable[tuple[str, str | File]]) -> dict[str, object]:
    """The fields that a form's parts spell; the same name twice makes a list. Raises BadField."""
    whole: dict[str, object] = {}
    for name, value in parts:
        found = _NAME.fullmatch(name)
        if found is None:
            raise BadField("body", f"A part has a name that cannot be read. Use at most {MOST_DEEP} pairs of brackets.")
        _put(whole, [found[1], *_KEYS.findall(found[2])], value)
    return whole


def _put(node: dict[str, object], path: list[str], value: str | File) -> None:
    """Walks down and sets the leaf. A list opens a new object where the leaf is already taken in the last one."""
    key, rest = path[0], path[1:]
    if not rest:
        _set(node, key, value)
    elif rest[0] == "":
        _append(_listed(node, key), rest[1:], value, key)
    else:
        below = node.setdefault(key, {})
        if not isinstance(below, dict):
            raise BadField(key, f"{key} is given both as one value and as an object. Give it once.")
        _put(below, rest, value)


def _set(node: dict[str, object], key: str, value: str | File) -> None:
    if key not in node:
        node[key] = value
    elif isinstance(node[key], dict):
        raise BadField(key, f"{key} is given both as one value and as an object. Give it once.")
    else:
        _listed(node, key).append(value)


def _listed(node: dict[str, object], key: str) -> list[object]:
    below = node.setdefault(key, [])
    if isinstance(below, dict):
        raise BadField(key, f"{key} is given both as a list and as an object. Give it once.")
    if not isinstance(below, list):
        below = node[key] = [below]
    return below


def _append(listed: list[object], rest: list[str], value: str | File, key: str) -> None:
    if not rest:
        listed.append(value)
        return
    if rest[0] == "":
        raise BadField(key, f"{key} is a list of lists. Send it as JSON text in one part.")
    node = next((each for each in listed if isinstance(each, dict) and not _taken(each, rest)), None)
    if node is None:
        node = {}
        listed.append(node)
    _put(node, rest, value)


def _taken(node: dict[str, object], path: list[str]) -> bool:
    below: object = node
    for key in path:
        if key == "":
            return False
        if not isinstance(below, dict) or key not in below:
            return False
        below = below[key]
    return True
