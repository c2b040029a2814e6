"""Every error that a client can meet, called forth on purpose in every dialect, with a canary beside what is wrong.

What a dialect should answer follows from the error alone, so nothing is listed twice: `serving.dialects.answers` says
which status an error has at an address.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import httpx

from serving.conform.asks_dashscope import ASYNC, CREATE
from serving.conform.canary import Canaries
from serving.conform.media import data_uri, picture
from serving.conform.site import ANSWER, Guest, Site
from serving.dialects.answers import error_response
from serving.errors import (
    BadField,
    BadMedia,
    BadType,
    CellError,
    Conflict,
    Forbidden,
    Limited,
    Missing,
    NotPossible,
    NotReady,
    TooLarge,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    UnknownPath,
    WrongCell,
    WrongMethod,
)

__all__ = ["NOT_HERE", "Provoked", "Room", "provoked"]

MOST_TRIES: Final = 60  # films that are asked for at once until the cell says that it is too much
HUGE: Final = 1 << 40  # bytes that a body claims to have
OPENAI, DASHSCOPE, NATIVE = "/v1/videos", CREATE, "/v1/jobs"

#: Errors that no request of a client calls forth within a run, and why.
NOT_HERE: Final = {
    "Expired": "it takes a film that is older than jobs.retention",
    "Blocked": "this cell has no filter of contents that could refuse",
    "Unavailable": "it takes a part of the cell that is away: see the checks of what is taken away",
    "Broken": "it takes a fault of the cell's own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a provocation works with."""

    site: Site
    other: Guest  # of the other cell
    words: Canaries
    film: str  # id of a finished job at this cell, 32 hexadecimal digits
    waiting: Callable[[], str]  # asks for one that takes a while; the last one asked for is what a refusal is about


@dataclass(frozen=True, slots=True)
class Provoked:
    """What came of one."""

    error: str
    dialect: str
    expected: int
    status: int

    @property
    def as_said(self) -> bool:
        """Whether the cell answered as the dialect's table says."""
        return self.status == self.expected


def provoked(room: Room) -> Iterator[Provoked]:
    """All of them, one after the other."""
    with room.site.client() as client:
        for error, path, act in _acts(room, client):
            status = act()
            yield Provoked(type(error).__name__, _dialect(path), error_response(error, path)[0], status)


def _dialect(path: str) -> str:
    return {"/api": "dashscope", "/v1/jo": "native", "/v1/de": "native"}.get(
        path[:4] if path.startswith("/api") else path[:6], "openai"
    )


Act = tuple[CellError, str, Callable[[], int]]


def _acts(room: Room, client: httpx.Client) -> Iterator[Act]:
    for path, body, headers in _creates():
        yield from _of_any(room, client, path, body, headers)
    yield from _of_openai(room, client)
    yield from _of_dashscope(room, client)
    yield from _of_native(room, client)


def _creates() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """A plain request for a film in each dialect."""
    yield OPENAI, {"prompt": "a ball", "seconds": "2", "size": "64x64"}, {}
    yield (
        DASHSCOPE,
        {"model": "wan2.6-t2v", "input": {"prompt": "a ball"}, "parameters": {"size": "64*64", "duration": 3}},
        dict(ASYNC),
    )
    yield NATIVE, {"prompt": "a ball", "seconds": 2, "size": "64x64"}, {}


def _of_any(
    room: Room, client: httpx.Client, path: str, body: dict[str, Any], headers: dict[str, str]
) -> Iterator[Act]:
    def post(told: Any = None, **more: str) -> int:
        return client.post(path, json=told or body, headers={**headers, **more}).status_code

    def word(what: str) -> str:
        return room.words.word(f"provoked {path} {what}")

    yield Unauthenticated("x"), path, lambda: _bare(room.site, path, body, word("no key"))
    yield Unauthenticated("x"), path, lambda: post(authorization=f"Bearer {word('no such key')}")
    yield WrongCell("x"), path, lambda: post(authorization=f"Bearer {room.other.key}", cookie=word("other's key"))
    yield BadField("x", "x"), path, lambda: post(**{"x-equerry-data-class": word("data class")})
    forbidden = "restricted_jp" if room.site.settings.cell.jurisdiction != "JP" else "restricted_eu"
    yield Forbidden("x"), path, lambda: post(**{"x-equerry-data-class": forbidden, "cookie": word("forbidden")})
    yield UnknownModel("x"), path, lambda: post({**body, "model": word("model")})
    yield WrongMethod("x"), path, lambda: client.put(path, json={"x": word("method")}).status_code
    yield UnknownPath("x"), f"{path}/a/b/{'c'}", lambda: client.get(f"{path}/a/b/{word('path')}").status_code
    yield TooLarge("x"), path, lambda: _huge(room.site, path, headers)
    yield BadType("x", "x"), path, lambda: client.post(path, json=[word("list")], headers=headers).status_code


def _of_openai(room: Room, client: httpx.Client) -> Iterator[Act]:
    def post(what: str, **more: Any) -> int:
        body = {"prompt": room.words.word(f"provoked openai {what}"), "seconds": "2", "size": "64x64", **more}
        return client.post(OPENAI, json=body).status_code

    done = f"video_{room.film}"
    yield Missing("x", "x"), OPENAI, lambda: client.post(OPENAI, json={"user": room.words.word("openai")}).status_code
    yield BadField("x", "x"), OPENAI, lambda: post("size", size="63x1")
    yield BadMedia("x", "x"), OPENAI, lambda: post("no picture", input_reference="data:image/png;base64,AAAA")
    yield BadMedia("x", "x"), OPENAI, lambda: post("torn picture", input_reference=_torn(room, "openai"))
    yield UnknownJob("x"), OPENAI, lambda: client.get(f"{OPENAI}/video_{'0' * 32}").status_code
    yield NotReady("x"), OPENAI, lambda: client.get(f"{OPENAI}/video_{room.waiting()}/content").status_code
    yield (
        NotPossible("x"),
        OPENAI,
        lambda: client.post(f"{OPENAI}/video_{room.waiting()}/remix", json={"prompt": "x"}).status_code,
    )
    yield BadField("x", "x"), OPENAI, lambda: client.get(f"{OPENAI}/{done}/content?variant=x").status_code
    yield Conflict("x"), OPENAI, lambda: _conflict(room, client, OPENAI, {"seconds": "2", "size": "64x64"})
    yield Limited("x", 1), OPENAI, lambda: _flood(room, client)


def _of_dashscope(room: Room, client: httpx.Client) -> Iterator[Act]:
    def post(what: str, headers: dict[str, str] | None = None, **inputs: Any) -> int:
        told = {"prompt": room.words.word(f"provoked dashscope {what}"), **inputs}
        body = {"model": "happyhorse-1.0-i2v", "input": told, "parameters": {"duration": 3}}
        return client.post(CREATE, json=body, headers=ASYNC if headers is None else headers).status_code

    yield Forbidden("x"), CREATE, lambda: post("synchronous", {})
    yield Missing("x", "x"), CREATE, lambda: post("no picture")
    yield BadMedia("x", "x"), CREATE, lambda: post("torn picture", img_url=_torn(room, "dashscope"))
    yield BadField("x", "x"), CREATE, lambda: client.get("/api/v1/tasks?page_no=x").status_code
    done = f"/api/v1/tasks/{room.film}/cancel"
    yield NotPossible("x"), CREATE, lambda: client.post(done).status_code


def _of_native(room: Room, client: httpx.Client) -> Iterator[Act]:
    def post(what: str, **more: Any) -> int:
        body = {"prompt": room.words.word(f"provoked native {what}"), "seconds": 2, "size": "64x64", **more}
        return client.post(NATIVE, json=body).status_code

    yield Missing("x", "x"), NATIVE, lambda: client.post(NATIVE, json={"seed": 1}).status_code
    yield BadField("x", "x"), NATIVE, lambda: post("seconds", seconds=99)
    yield BadMedia("x", "x"), NATIVE, lambda: post("torn picture", image={"data": _torn(room, "native")})
    yield UnknownJob("x"), NATIVE, lambda: client.get(f"{NATIVE}/{'0' * 32}").status_code
    yield UnknownJob("x"), NATIVE, lambda: post("no such job", source={"job": "0" * 32})
    yield NotReady("x"), NATIVE, lambda: client.get(f"{NATIVE}/{room.waiting()}/content").status_code
    yield NotPossible("x"), NATIVE, lambda: client.post(f"{NATIVE}/{room.film}/cancel").status_code
    yield NotPossible("x"), NATIVE, lambda: post("unfinished", source={"job": room.waiting()})
    yield Conflict("x"), NATIVE, lambda: _conflict(room, client, NATIVE, {"seconds": 2, "size": "64x64"})
    yield BadMedia("x", "x"), "/v1/detect", lambda: client.post("/v1/detect", content=b"no film").status_code


def _bare(site: Site, path: str, body: dict[str, Any], word: str) -> int:
    with httpx.Client(base_url=site.url, timeout=ANSWER, trust_env=False) as nobody:
        return nobody.post(path, json=body, headers={"cookie": word}).status_code


def _huge(site: Site, path: str, headers: dict[str, str]) -> int:
    """Claims a body beyond all bounds and sends none of it."""
    key = site.guest.key if site.guest else ""
    with closing(http.client.HTTPConnection(site.host, site.settings.listen.port, timeout=ANSWER)) as wire:
        wire.putrequest("POST", path)
        told = {**headers, "Authorization": f"Bearer {key}", "Content-Length": str(HUGE)}
        for name, value in {**told, "Content-Type": "application/json"}.items():
            wire.putheader(name, value)
        wire.endheaders()
        return wire.getresponse().status


def _torn(room: Room, dialect: str) -> str:
    body = picture(room.words, f"provoked {dialect} torn picture")
    return data_uri(body[: len(body) // 2], "image/png")


def _conflict(room: Room, client: httpx.Client, path: str, body: dict[str, Any]) -> int:
    """One idempotency key for two requests."""
    key = {"Idempotency-Key": room.words.word(f"provoked {path} conflict key")}
    status = 0
    for number in range(2):
        prompt = f"a ball {room.words.word(f'provoked {path} conflict {number}')}"
        answer = client.post(path, json={**body, "prompt": prompt}, headers=key)
        status = answer.status_code
        if answer.is_success:
            forget(client, answer)
    return status


def _flood(room: Room, client: httpx.Client) -> int:
    """Asks for long films until the cell says that it is too much, and takes them all back."""
    made, status = [], 0
    for _ in range(MOST_TRIES):
        body = {"prompt": room.words.word("provoked flood"), "seconds": "12", "size": "64x64"}
        answer = client.post(OPENAI, json=body)
        status = answer.status_code
        if not answer.is_success:
            break
        made.append(answer)
    for answer in made:
        forget(client, answer)
    return status


def forget(client: httpx.Client, answer: httpx.Response) -> None:
    """Ends the job that an answer speaks of, if it speaks of one."""
    told = answer.json()
    job = told.get("id") or told.get("output", {}).get("task_id") or ""
    if job:
        client.delete(f"{NATIVE}/{str(job).removeprefix('video_').replace('-', '')}")
