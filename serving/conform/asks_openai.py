"""Canaries in everything that OpenAI's Videos API takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from serving.conform.ask import Ask, Field, Form, carried, spread
from serving.conform.canary import Canaries
from serving.conform.media import data_uri, film, picture

__all__ = ["asks"]

TEXTS: Final[tuple[Field, ...]] = (
    ("prompt",), ("user",), ("metadata", "note"), ("metadata", None), ("colour",), (None,), ("model",), ("size",),
    ("seconds",), ("seed",), ("resolution",), ("audio_setting",), ("extra_body", "style"), ("extra_params", None),
)  # fmt: skip
PATHS: Final = ("/v1/videos/{}", "/v1/videos/{}/content", "/v1/models/{}", "/v1/videos/characters/{}", "/v1/{}")
QUERIES: Final = ("/v1/videos?after={}", "/v1/videos?limit={}", "/v1/videos?order={}", "/v1/videos?{}=1")


def asks(words: Canaries) -> Iterator[Ask]:
    """Every field in every mode, then files, paths and queries."""
    for form in _forms(words):
        yield from spread(form, words)
    yield from _media(words)
    yield from _forms_with_files(words)
    for path in (*PATHS, *QUERIES):
        name = f"openai {path}"
        yield Ask(name=name, method="GET", path=path.format(words.word(name)))
    for method, path in (("DELETE", "/v1/videos/{}"), ("POST", "/v1/videos/{}/remix")):
        name = f"openai {method} {path}"
        yield Ask(name=name, method=method, path=path.format(words.word(name)), json={"prompt": words.word(name)})
    plain: dict[str, Any] = {"prompt": "a ball", "seconds": "2", "size": "64x64"}
    name = "openai t2v Idempotency-Key"
    yield carried(Ask(name=name, method="POST", path="/v1/videos", json=plain), "Idempotency-Key", words)


def _forms(words: Canaries) -> Iterator[Form]:
    small: dict[str, Any] = {"prompt": "a ball", "seconds": "2", "size": "64x64"}
    still = data_uri(picture(words, "openai i2v"), "image/png")
    other = data_uri(picture(words, "openai r2v"), "image/png")
    clip = data_uri(film(words, "openai edit"), "video/mp4")
    more = data_uri(film(words, "openai extend"), "video/mp4")
    yield Form(name="openai t2v", path="/v1/videos", body=lambda: {**small}, fields=TEXTS)
    yield Form(
        name="openai i2v",
        path="/v1/videos",
        body=lambda: {**small, "input_reference": {"image_url": still}},
        fields=TEXTS,
    )
    yield Form(
        name="openai r2v",
        path="/v1/videos",
        body=lambda: {**small, "prompt": "[1] moves", "reference_images": [{"image_url": other}]},
        fields=TEXTS,
    )
    yield Form(
        name="openai edit",
        path="/v1/videos/edits",
        body=lambda: {"prompt": "make it blue", "video": {"url": clip}},
        fields=TEXTS,
    )
    yield Form(
        name="openai extend",
        path="/v1/videos/extensions",
        body=lambda: {"prompt": "it goes on", "seconds": "2", "video": {"url": more}},
        fields=TEXTS,
    )


def _media(words: Canaries) -> Iterator[Ask]:
    """Addresses, ids and file names in every field that names a piece of media."""
    for field, inner in (
        ("input_reference", "image_url"), ("input_reference", "file_id"), ("image_reference", "image_url"),
        ("reference_images", "image_url"), ("reference_images", "file_id"), ("video", "id"), ("video", "url"),
        ("video_reference", "video_url"), ("last_frame", "image_url"), ("audio_url", ""), ("characters", "id"),
    ):  # fmt: skip
        name = f"openai {field}.{inner}"
        word = words.word(name)
        named = f"https://{word}.example/{word}.png" if inner.endswith("url") else word
        body = {"prompt": "a ball", "seconds": "2", "size": "64x64", field: {inner: named} if inner else named}
        yield Ask(name=name, method="POST", path="/v1/videos", json=body)
    for kind in ("first_frame", "reference_image", "video", "first_clip", "last_frame", "reference_voice"):
        name = f"openai media {kind}"
        row = {"type": kind, "url": f"https://{words.word(name)}.example/a"}
        yield Ask(name=name, method="POST", path="/v1/videos", json={"prompt": "a ball", "media": [row]})


def _forms_with_files(words: Canaries) -> Iterator[Ask]:
    """Multipart: names and bodies of files."""
    told = {"prompt": words.word("openai form prompt"), "seconds": "2", "size": "64x64"}
    still, clip = picture(words, "openai form"), film(words, "openai form edit")
    name = f"{words.word('openai form file name')}.png"
    yield Ask(
        name="openai form i2v", method="POST", path="/v1/videos", data=told, files={"input_reference": (name, still)}
    )
    name = f"{words.word('openai edit form file name')}.mp4"
    told = {"prompt": words.word("openai edit form prompt")}
    yield Ask(name="openai form edit", method="POST", path="/v1/videos/edits", data=told, files={"video": (name, clip)})
    name = f"{words.word('openai file name')}.png"
    told = {"purpose": words.word("openai file purpose")}
    yield Ask(name="openai files", method="POST", path="/v1/files", data=told, files={"file": (name, still)})
    broken = words.word("openai broken JSON").encode()
    json = {"content-type": "application/json"}
    yield Ask(name="openai broken JSON", method="POST", path="/v1/videos", content=b'{"' + broken, headers=json)
