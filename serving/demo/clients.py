"""What a customer's program does: three calls in OpenAI's words, three in DashScope's. No client of ours takes part.

OpenAI's own package is used where it is installed; without it the same requests go out by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

import httpx

from serving.errors import Unavailable

__all__ = ["ByHand", "DashScope", "OpenAi", "Videos", "videos"]

WAIT_S: Final = 150.0  # for one film
EVERY_S: Final = 0.2  # between two looks
SIZE: Final = "64x64"
Hear = Callable[[int], None]  # per cent of a film that is made


class Videos(Protocol):
    """A client of /v1/videos."""

    name: str

    def make(self, prompt: str, seconds: int, seed: int, hear: Hear) -> str:
        """A film from a sentence; its id once it is there."""

    def edit(self, prompt: str, film: str, seed: int, hear: Hear) -> str:
        """A film from another; its id once it is there."""

    def fetch(self, film: str) -> bytes:
        """The file."""


def videos(url: str, key: str) -> Videos:
    """OpenAI's own client, or requests by hand where it is not installed."""
    return OpenAi(url, key) if find_spec("openai") else ByHand(url, key)


class OpenAi:
    """The unmodified `openai` package."""

    def __init__(self, url: str, key: str) -> None:
        package: Any = import_module("openai")
        self.name = f"openai {package.__version__}"
        self._client = package.OpenAI(base_url=f"{url}/v1", api_key=key)
        self._omitted = package.omit if hasattr(package, "omit") else None

    def make(self, prompt: str, seconds: int, seed: int, hear: Hear) -> str:
        """See Videos."""
        asked = {"prompt": prompt, "size": SIZE, "seconds": str(seconds)}
        return self._done(self._client.videos.create(**asked, extra_body={"seed": seed}).id, hear)

    def edit(self, prompt: str, film: str, seed: int, hear: Hear) -> str:
        """See Videos. Older versions of the package know an edit as a remix."""
        calls = self._client.videos
        if hasattr(calls, "edit"):
            more = {"video": {"id": film}, "seed": seed}
            return self._done(calls.edit(prompt=prompt, video=self._omitted, extra_body=more).id, hear)
        return self._done(calls.remix(film, prompt=prompt, extra_body={"seed": seed}).id, hear)

    def fetch(self, film: str) -> bytes:
        """See Videos."""
        return bytes(self._client.videos.download_content(film).read())

    def _done(self, film: str, hear: Hear) -> str:
        def look() -> tuple[str, int, str]:
            seen = self._client.videos.retrieve(film)
            return seen.status, seen.progress, seen.error.message if seen.error else ""

        return _finished(film, look, hear)


class ByHand:
    """The same requests without the package."""

    name = "requests by hand (the openai package is not installed)"

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=url, headers=_bearer(key), timeout=30.0, trust_env=False)

    def make(self, prompt: str, seconds: int, seed: int, hear: Hear) -> str:
        """See Videos."""
        return self._ask("/v1/videos", {"prompt": prompt, "size": SIZE, "seconds": str(seconds), "seed": seed}, hear)

    def edit(self, prompt: str, film: str, seed: int, hear: Hear) -> str:
        """See Videos."""
        return self._ask("/v1/videos/edits", {"prompt": prompt, "video": {"id": film}, "seed": seed}, hear)

    def fetch(self, film: str) -> bytes:
        """See Videos."""
        return _told(self._http.get(f"/v1/videos/{film}/content")).content

    def _ask(self, path: str, body: dict[str, object], hear: Hear) -> str:
        film = str(_told(self._http.post(path, json=body)).json()["id"])

        def look() -> tuple[str, int, str]:
            seen = _told(self._http.get(f"/v1/videos/{film}")).json()
            return seen["status"], seen["progress"], str((seen["error"] or {}).get("message", ""))

        return _finished(film, look, hear)


class DashScope:
    """Model Studio's wire: a task is made, looked at, and ends with an address that opens without a key."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers=_bearer(key), timeout=30.0, trust_env=False)

    def make(self, prompt: str, seconds: int, seed: int, hear: Hear) -> bytes:
        """A film from a sentence."""
        body = {
            "model": "happyhorse-1.1-t2v",
            "input": {"prompt": prompt},
            "parameters": {"size": SIZE.replace("x", "*"), "duration": seconds, "seed": seed},
        }
        path, asynchronous = "/services/aigc/video-generation/video-synthesis", {"X-DashScope-Async": "enable"}
        task = _told(self._http.post(path, json=body, headers=asynchronous)).json()["output"]["task_id"]
        found: dict[str, Any] = {}

        def look() -> tuple[str, int, str]:
            found.update(_told(self._http.get(f"/tasks/{task}")).json()["output"])
            ended = {"SUCCEEDED": "completed", "FAILED": "failed", "CANCELED": "failed", "UNKNOWN": "failed"}
            return ended.get(found["task_status"], "in_progress"), 0, str(found.get("message", ""))

        _finished(task, look, hear)
        return _told(httpx.get(found["video_url"], timeout=30.0, trust_env=False)).content


def _finished(film: str, look: Callable[[], tuple[str, int, str]], hear: Hear) -> str:
    """The id, once `look` says that the film is there: status, per cent, and what went wrong."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        status, done, wrong = look()
        hear(100 if status == "completed" else done)
        if status == "completed":
            return film
        if status == "failed":
            raise Unavailable(f"The film was not made: {wrong or 'no reason was given'}")
        time.sleep(EVERY_S)
    raise Unavailable(f"The film is not there after {WAIT_S:.0f} s. See what else runs on this machine.")


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def _told(answer: httpx.Response) -> httpx.Response:
    """An answer that is one. Raises Unavailable with what the cell says."""
    if answer.status_code != 200:
        raise Unavailable(f"The cell answered {answer.status_code}: {answer.text[:500]}")
    return answer
