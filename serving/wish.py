"""What a dialect has read: a request after parsing and defaults, before its media are fetched.

A dialect makes a `Wish` or raises one of `serving.errors`; behind it nobody asks whether `seconds` was a string. Sizes
and lengths are those of the film that is delivered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from hashlib import sha256
from typing import Final

from model.clip import Mode, Size


class Role(StrEnum):
    """What a piece of media is for."""

    FIRST_FRAME = "first_frame"
    REFERENCE = "reference"
    SOURCE = "source"  # the film to edit, or to go on from


class Audio(StrEnum):
    """What the film sounds like."""

    MADE = "made"
    NONE = "none"
    ORIGIN = "origin"  # an edit keeps the sound of its source


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One piece of media, named in exactly one way."""

    role: Role
    field: str  # as the caller spells it, for errors
    body: bytes | None = None  # uploaded with the request, or from a data URI
    url: str | None = None  # http, https, or `oss://KEY` in this cell's own store
    file: str | None = None  # id of an upload kept by this cell
    job: str | None = None  # id of a finished job of the same tenant, 32 hexadecimal digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A film that somebody wants."""

    dialect: str  # openai | dashscope | native
    model: str  # as the caller spells it
    mode: Mode
    prompt: str
    size: Size | None  # None follows the given image or film
    seconds: int | None  # in all; None follows the given film
    seed: int | None  # None draws one
    more: int | None = None  # seconds to add to the given film, for an extension whose source nobody has measured yet
    tier: int | None = None  # 480, 720 or 1080: the area to give a film whose shape follows the given image or film
    said: str | None = None  # the prompt in the model's notation, where a dialect names references in another
    audio: Audio = Audio.MADE
    watermark: bool = False  # a visible label; the invisible marks are always there
    given: tuple[Given, ...] = ()
    idempotency_key: str | None = None
    retried: bool = False  # the client says that this is not its first attempt
    metadata: tuple[tuple[str, str], ...] = ()  # the caller's own labels, given back unread
    webhook: str | None = None  # address that is told of the end
    ignored: tuple[str, ...] = ()  # fields that were sent and mean nothing here


#: What tells one attempt from the next, and not one film from another.
_OF_THE_ATTEMPT: Final = frozenset({"idempotency_key", "retried"})


def fingerprint(wish: Wish) -> str:
    """SHA-256, in hexadecimal, of everything that is asked for; files count by their own SHA-256.

    Two attempts at one request agree, whatever their multipart boundaries are. So do two requests that are alike on
    purpose, such as two draws of one prompt: only a key or `retried` makes a match mean the same request.
    """
    said = {f.name: _plain(getattr(wish, f.name)) for f in fields(wish) if f.name not in _OF_THE_ATTEMPT}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return sha256(value).hexdigest()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Given):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return str(value) if isinstance(value, Size) else value
