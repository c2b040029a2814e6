"""Canaries in everything that the project's own API takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from serving.conform.ask import Ask, Field, Form, carried, spread
from serving.conform.canary import Canaries
from serving.conform.media import data_uri, film, picture

__all__ = ["asks"]

TEXTS: Final[tuple[Field, ...]] = (
    ("prompt",), ("metadata", "note"), ("metadata", None), ("model",), ("size",), ("seconds",), ("seed",), ("audio",),
    ("webhook",), (None,),
)  # fmt: skip
PATHS: Final = ("/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/content", "/v1/jobs/{}/preview", "/{}")
QUERIES: Final = ("/v1/jobs?after={}", "/v1/jobs?state={}", "/v1/jobs?order={}", "/v1/jobs?limit={}", "/v1/jobs?{}=1")


def asks(words: Canaries) -> Iterator[Ask]:
    """Every field in every mode, then media, uploads, paths and queries."""
    for form in _forms(words):
        yield from spread(form, words)
    for field in ("image", "references", "source"):
        for inner in ("url", "upload", "job", "data"):
            name = f"native {field}.{inner}"
            word = words.word(name)
            named = {
                inner: {"url": f"https://{word}.example/a", "data": f"data:image/png;base64,{word}"}.get(inner, word)
            }
            body = {
                "prompt": "a ball",
                "seconds": 2,
                "size": "64x64",
                field: [named] if field == "references" else named,
            }
            yield Ask(name=name, method="POST", path="/v1/jobs", json=body)
    for path in (*PATHS, *QUERIES):
        name = f"native {path}"
        yield Ask(name=name, method="GET", path=path.format(words.word(name)))
    yield from _bodies(words)


def _bodies(words: Canaries) -> Iterator[Ask]:
    name = words.word("native upload name")
    still = picture(words, "native upload")
    yield Ask(name="native upload", method="POST", path=f"/v1/jobs/uploads?name={name}", content=still)
    yield Ask(name="native detect", method="POST", path="/v1/detect", content=film(words, "native detect"))
    word = words.word("native detect, no film").encode()
    yield Ask(name="native detect, no film", method="POST", path="/v1/detect", content=word)
    word = words.word("native broken JSON").encode()
    yield Ask(name="native broken JSON", method="POST", path="/v1/jobs", content=b'{"' + word)
    body = {"prompt": "a ball", "seconds": 2, "size": "64x64"}
    for header in ("Idempotency-Key", "X-Equerry-Data-Class", "X-Equerry-Subject-Region"):
        yield carried(Ask(name=f"native {header}", method="POST", path="/v1/jobs", json=body), header, words)


def _forms(words: Canaries) -> Iterator[Form]:
    still = data_uri(picture(words, "native i2v"), "image/png")
    other = data_uri(picture(words, "native r2v"), "image/png")
    clip = data_uri(film(words, "native edit"), "video/mp4")
    more = data_uri(film(words, "native extend"), "video/mp4")
    small: dict[str, Any] = {"prompt": "a ball", "seconds": 2, "size": "64x64"}
    for mode, body in (
        ("t2v", small),
        ("i2v", {**small, "image": {"data": still}}),
        ("r2v", {**small, "prompt": "[1] moves", "references": [{"data": other}]}),
        ("edit", {"prompt": "make it blue", "source": {"data": clip}}),
        ("extend", {"prompt": "it goes on", "seconds": 2, "source": {"data": more}, "extend": True}),
    ):
        yield Form(
            name=f"native {mode}",
            path="/v1/jobs",
            body=lambda body=body: {**body},  # type: ignore[misc]  # bound now, not later
            fields=TEXTS,
        )
