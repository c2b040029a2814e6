"""One request with a canary in one place, and the way from a body to many of them: one for each of its fields."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import httpx

from serving.conform.canary import Canaries

__all__ = ["Ask", "Field", "Form", "carried", "spread"]

#: The place of a canary in a JSON body; a step that is None is a name that is a canary itself.
Field = tuple[str | int | None, ...]
HEADERS: Final = ("User-Agent", "Cookie", "Referer", "X-Request-Id", "traceparent", "X-Forwarded-For")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that can be sent to any cell."""

    name: str  # dialect, mode and field
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes]] | None = None
    content: bytes | None = None

    def send(self, client: httpx.Client) -> httpx.Response:
        """Raises httpx.HTTPError when there is no answer."""
        return client.request(
            self.method,
            self.path,
            headers=dict(self.headers),
            json=self.json,
            data=self.data,
            files=self.files,
            content=self.content,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to ask for a film: a dialect's body for a mode, and its fields that take text."""

    name: str
    path: str
    body: Callable[[], dict[str, Any]]
    fields: Sequence[Field]
    headers: Mapping[str, str] = field(default_factory=dict)


def spread(form: Form, words: Canaries) -> Iterator[Ask]:
    """One request for each field of a form, and one for each header that anybody may send."""
    for each in form.fields:
        name = f"{form.name} {'.'.join('(name)' if step is None else str(step) for step in each)}"
        body = form.body()
        _put(body, each, words.word(name))
        yield Ask(name=name, method="POST", path=form.path, headers=form.headers, json=body)
    for header in HEADERS:
        name = f"{form.name} {header}"
        yield carried(
            Ask(name=name, method="POST", path=form.path, headers=form.headers, json=form.body()), header, words
        )


def carried(ask: Ask, header: str, words: Canaries) -> Ask:
    """The same request with a canary in a header."""
    word = words.word(f"{ask.name}")
    told = copy.copy(dict(ask.headers)) | {header: word}
    return Ask(name=ask.name, method=ask.method, path=ask.path, headers=told, json=ask.json, content=ask.content)


def _put(body: Any, place: Field, word: str) -> None:
    for here, after in pairwise(place):
        if isinstance(body, list):
            body = body[int(here or 0)]
        else:
            body = body.setdefault(here, [] if isinstance(after, int) else {})
    last = place[-1]
    if last is None:
        body[word] = word
    elif last == "prompt":
        body[last] = f"{body.get(last, '')} {word}".strip()
    else:
        body[last] = word
