"""What to answer to a GET or HEAD of an object whose content never changes: RFC 9110, sections 13 and 14.

Pure: header values in, status and headers out. One range is served; a request for several gets the whole, as RFC 9110
allows. There is no date to compare with, since the entity tag is the content's digest, which says more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Answer", "content_response", "etag"]

_RANGE: Final = re.compile(r"bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*", re.IGNORECASE)
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
MOST_DIGITS: Final = 19  # of a position; int() of a longer number would cost time


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers, and which bytes follow: start..end-1. Nothing follows a HEAD, a 304, a 412 or a 416."""

    status: int
    headers: Mapping[str, str]
    start: int = 0
    end: int = 0


def etag(sha256: str) -> str:
    """The strong entity tag of content."""
    return f'"{sha256}"'


def content_response(method: str, headers: Mapping[str, str], *, size: int, tag: str, mime: str) -> Answer:
    """The answer for content of `size` bytes with an entity tag (quoted, strong) and a media type.

    `headers` are the request's, with names in lower case. Preconditions come before ranges (RFC 9110, 13.2.2).
    """
    common = {"accept-ranges": "bytes", "etag": tag}
    if "if-match" in headers and not _matches(headers["if-match"], tag, strong=True):
        return Answer(412, common)
    if "if-none-match" in headers and _matches(headers["if-none-match"], tag, strong=False):
        return Answer(304, common)
    wanted = _wanted(headers, size, tag) if method == "GET" else None
    if wanted == ():
        return Answer(416, common | {"content-range": f"bytes */{size}", "content-length": "0"})
    start, end = wanted or (0, size)
    shown = common | {"content-type": mime, "content-length": str(end - start)}
    if wanted:
        shown["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Answer(206 if wanted else 200, shown, start, start if method == "HEAD" else end)


def _wanted(headers: Mapping[str, str], size: int, tag: str) -> tuple[int, int] | tuple[()] | None:
    """First byte and the byte after the last; () when nothing of it is there; None for the whole."""
    if headers.get("if-range", tag).strip() != tag:  # a weak tag or a date never fits
        return None
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None:
        return None
    first, last, suffix = (_position(digits) for digits in found.groups())
    if suffix is not None:
        return (max(size - suffix, 0), size) if suffix and size else ()
    if first is None or (last is not None and last < first):
        return None  # not a range at all, so it is as if it were not there
    return (first, size if last is None else min(last + 1, size)) if first < size else ()


def _position(digits: str | None) -> int | None:
    """A number of bytes; one with more digits than any object has counts as beyond all."""
    return (int(digits) if len(digits) <= MOST_DIGITS else 10**MOST_DIGITS) if digits else None


def _matches(given: str, tag: str, *, strong: bool) -> bool:
    """Whether a list of entity tags has this one; `*` has any."""
    if given.strip() == "*":
        return True
    tags = [each for each in _TAG.findall(given) if not (strong and each.startswith("W/"))]
    return tag in [each.removeprefix("W/") for each in tags]
