"""Canaries in everything that DashScope's video synthesis takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx

from serving.conform.ask import Ask, Field, Form, carried, spread
from serving.conform.canary import Canaries
from serving.conform.media import data_uri, film, picture

__all__ = ["asks", "left"]

CREATE: Final = "/api/v1/services/aigc/video-generation/video-synthesis"
ASYNC: Final = {"X-DashScope-Async": "enable"}
SMALL: Final = {"size": "64*64", "duration": 3}
TEXTS: Final[tuple[Field, ...]] = (
    ("input", "prompt"), ("input", "negative_prompt"), ("input", None), ("input", "function"), ("model",),
    ("parameters", "size"), ("parameters", "resolution"), ("parameters", "ratio"), ("parameters", "seed"),
    ("parameters", "duration"), ("parameters", "watermark"), ("parameters", None), ("parameters", "audio_setting"),
    (None,),
)  # fmt: skip
MEDIA: Final = (
    "img_url", "first_frame_url", "head_frame", "video_url", "reference_urls", "reference_url", "ref_images_url",
    "last_frame_url", "tail_frame", "audio_url", "reference_video_urls",
)  # fmt: skip
QUERIES: Final = ("task_id", "model_name", "status", "start_time", "end_time", "region", "page_no")


def asks(words: Canaries) -> Iterator[Ask]:
    """Every field in every mode, then media, paths and queries."""
    for form in _forms(words):
        yield from spread(form, words)
    for field in MEDIA:
        name = f"dashscope input.{field}"
        body = {
            "model": "wan2.7-t2v" if "last" in field or "tail" in field else "happyhorse-1.0-i2v",
            "input": {"prompt": "a ball", field: f"https://{words.word(name)}.example/a.png"},
            "parameters": {**SMALL},
        }
        yield Ask(name=name, method="POST", path=CREATE, headers=ASYNC, json=body)
    for query in QUERIES:
        name = f"dashscope tasks {query}"
        yield Ask(name=name, method="GET", path=f"/api/v1/tasks?{query}={words.word(name)}")
    for method, path in (("GET", "/api/v1/tasks/{}"), ("POST", "/api/v1/tasks/{}/cancel"), ("GET", "/api/v1/{}")):
        name = f"dashscope {path}"
        yield Ask(name=name, method=method, path=path.format(words.word(name)))
    body = {"model": "wan2.6-t2v", "input": {"prompt": "a ball"}, "parameters": {**SMALL}}
    for header in ("X-DashScope-SDK-Session-Id", "X-DashScope-WorkSpace", "X-DashScope-DataInspection"):
        ask = Ask(name=f"dashscope {header}", method="POST", path=CREATE, headers=ASYNC, json=body)
        yield carried(ask, header, words)


def _forms(words: Canaries) -> Iterator[Form]:
    still = data_uri(picture(words, "dashscope i2v"), "image/png")
    other = data_uri(picture(words, "dashscope r2v"), "image/png")
    clip = data_uri(film(words, "dashscope edit"), "video/mp4")
    more = data_uri(film(words, "dashscope extend"), "video/mp4")
    for mode, model, media in (
        ("t2v", "wan2.6-t2v", []),
        ("i2v", "happyhorse-1.0-i2v", [{"type": "first_frame", "url": still}]),
        ("r2v", "happyhorse-1.0-r2v", [{"type": "reference_image", "url": other}]),
        ("edit", "happyhorse-1.0-video-edit", [{"type": "video", "url": clip}]),
        ("extend", "wan2.7-i2v", [{"type": "first_clip", "url": more}]),
    ):
        yield Form(
            name=f"dashscope {mode}",
            path=CREATE,
            body=lambda model=model, media=media: _body(model, media),  # type: ignore[misc]  # bound now, not later
            fields=TEXTS,
            headers=ASYNC,
        )


def _body(model: str, media: list[dict[str, str]]) -> dict[str, Any]:
    inputs: dict[str, Any] = {"prompt": "a ball"}
    if media:
        inputs["media"] = [{**each} for each in media]
    return {"model": model, "input": inputs, "parameters": {**SMALL} if not media else {"duration": 3}}


def left(client: httpx.Client, words: Canaries) -> int:
    """Leaves a file by the two steps of an upload, with canaries in its name and body; the status of the last."""
    answer = client.get("/api/v1/uploads?action=getPolicy")
    if not answer.is_success:
        return answer.status_code
    granted = answer.json()["data"]
    path = "/" + str(granted["upload_host"]).split("/", 3)[3]
    name = f"{words.word('dashscope upload key')}.png"
    told = {"policy": granted["policy"], "Signature": granted["signature"], "key": f"{granted['upload_dir']}/{name}"}
    body = picture(words, "dashscope upload")
    return client.post(path, data=told, files={"file": (name, body)}).status_code
