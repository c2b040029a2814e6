"""Canonical JSON: one value, one string of bytes, so that a digest or a signature means one thing.

A restricted profile of RFC 8785 (JCS) for which sorting by Unicode code point, as Python does, gives the same bytes:
keys match `[a-z0-9_]+`, and values are strings, booleans, integers of at most 53 bits, arrays and objects. There is no
null and there are no fractions. Everything that is signed, logged or named by digest is written so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NewType

from policies.errors import Malformed

__all__ = ["DEPTH", "MOST_BYTES", "Digest", "Value", "decode", "digest", "encode", "sha256"]

_KEY = re.compile(r"[a-z0-9_]{1,64}")
MOST_INTEGER: Final = 2**53 - 1  # the largest that every JSON reader keeps exactly
MOST_BYTES: Final = 1 << 24  # of one document; a log entry's limit is lower
DEPTH: Final = 12  # arrays and objects within each other

Value = str | bool | int | Sequence["Value"] | Mapping[str, "Value"]
Digest = NewType("Digest", str)  # 64 lower-case hexadecimal digits of a SHA-256


def encode(value: Value, *, depth: int = DEPTH, most: int = MOST_BYTES) -> bytes:
    """The canonical bytes of a value. Raises Malformed when it leaves the profile or is longer than `most` bytes."""
    _check(value, depth)
    try:
        data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise Malformed("A string holds half of a surrogate pair, which is not text. Write it again.") from None
    if len(data) > most:
        raise Malformed(f"These are {len(data):,} bytes of JSON, and {most:,} are allowed.")
    return data


def decode(data: bytes, *, depth: int = DEPTH, most: int = MOST_BYTES) -> Value:
    """The value of canonical bytes. Raises Malformed when `encode` would not give exactly these bytes back."""
    if len(data) > most:
        raise Malformed(f"These are {len(data):,} bytes of JSON, and {most:,} are allowed.")
    try:
        value: Value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("These bytes are not JSON in UTF-8.") from None
    if encode(value, depth=depth, most=most) != data:
        raise Malformed("This JSON is not canonical: keys sorted, no spaces, nothing twice (RFC 8785).")
    return value


def sha256(data: bytes) -> Digest:
    """SHA-256 as lower-case hexadecimal digits."""
    return Digest(hashlib.sha256(data).hexdigest())


def digest(value: Value) -> Digest:
    """SHA-256 of the canonical bytes."""
    return sha256(encode(value))


@lru_cache(maxsize=4_096)
def _fits(key: str) -> bool:
    """Documents and entries have the same keys again and again."""
    return _KEY.fullmatch(key) is not None


def _check(value: object, depth: int) -> None:
    if type(value) is str or isinstance(value, (str, bool)):  # the quick question first: most values are text
        return
    if isinstance(value, int):
        if abs(value) > MOST_INTEGER:
            raise Malformed(f"An integer is beyond {MOST_INTEGER:,}, which not every JSON reader keeps.")
        return
    if depth <= 0:
        raise Malformed("Arrays and objects lie too deep within each other.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not _fits(key):
                raise Malformed(f"The key {str(key)[:40]!r} is not made of a-z, 0-9 and _.")
            _check(inner, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner, depth - 1)
    else:
        raise Malformed(f"A {type(value).__name__} has no canonical form; use text, whole numbers, true or false.")
