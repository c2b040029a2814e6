"""Studios in other pods write to the log over TLS with a token, or not at all."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from policies.errors import Malformed, PolicyError
from policies.errors import Unavailable as NoLog
from serving.errors import Refused, Unavailable
from serving.keeper import deploy
from serving.keeper.ask import KeeperAsk
from serving.keeper.desk import MOST_BODY, Desk
from serving.keeper.keeper import Readiness
from serving.settings import Keeper
from tests.tls import make_pair


class Recorder:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.fails: PolicyError | None = None

    def hello(self) -> dict[str, str]:
        return {"origin": "cell.example/equerry/eu-par/residency/2026-2", "node": "keeper"}

    async def write(self, data: bytes) -> dict[str, str]:
        if self.fails:
            raise self.fails
        self.heard.append(("write", data))
        return {"index": "7"}

    async def archive(self, data: bytes) -> None:
        self.heard.append(("archive", data))


class Pod:
    """A desk on loopback, behind TLS."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder()
        pair = make_pair(folder)
        self.token = folder / "token"
        self.token.write_text("the-token")
        self.token.chmod(0o600)
        config = uvicorn.Config(
            Desk(self.recorder, b"the-token"),
            port=0,
            ssl_certfile=str(pair.certificate),
            ssl_keyfile=str(pair.key),
            log_config=None,
            lifespan="off",
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.settings = Keeper(address=f"https://localhost:{port}", authority=pair.certificate, token=self.token)

    def client(self) -> httpx.Client:
        trust = ssl.create_default_context(cafile=self.settings.authority)
        return httpx.Client(verify=trust, base_url=self.settings.address)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    made = Pod(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def ask(pod: Pod) -> Iterator[KeeperAsk]:
    made = KeeperAsk(pod.settings)
    yield made
    made.close()


def test_what_a_studio_says_reaches_the_recorder_and_its_answer_comes_back(pod: Pod, ask: KeeperAsk) -> None:
    answers = [
        ask("hello", patience=5.0)["node"],
        ask("write", b"entry", patience=5.0),
        ask("archive", b"object", patience=5.0),
    ]

    assert answers == ["keeper", {"index": "7"}, None]
    assert pod.recorder.heard == [("write", b"entry"), ("archive", b"object")]


def test_an_entry_that_is_none_is_malformed_here_as_there(pod: Pod, ask: KeeperAsk) -> None:
    pod.recorder.fails = Malformed("no entry")

    with pytest.raises(Malformed, match="same version"):
        ask("write", b"nonsense", patience=5.0)


def test_a_log_that_cannot_be_written_is_unavailable_to_the_studio(pod: Pod, ask: KeeperAsk) -> None:
    pod.recorder.fails = NoLog("the disk is full")

    with pytest.raises(Unavailable, match="503"):
        ask("write", b"entry", patience=5.0)


def test_a_keeper_that_is_gone_is_unavailable_and_nothing_is_tried_again(pod: Pod, ask: KeeperAsk) -> None:
    pod.stop()

    with pytest.raises(Unavailable, match="does not answer"):
        ask("write", b"entry", patience=2.0)
    assert pod.recorder.heard == []


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer another", "the-token"])
def test_without_the_token_nothing_is_heard(pod: Pod, shown: str) -> None:
    with pod.client() as client:
        answer = client.post("/write", content=b"entry", headers={"authorization": shown})

    assert (answer.status_code, pod.recorder.heard) == (401, [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/write"), ("POST", "/close"), ("POST", "/__del__")])
def test_nothing_else_can_be_asked(pod: Pod, method: str, path: str) -> None:
    with pod.client() as client:
        answer = client.request(method, path, headers={"authorization": "Bearer the-token"})

    assert answer.status_code == 404


def test_a_body_beyond_its_bound_is_not_written(pod: Pod) -> None:
    with pod.client() as client:
        answer = client.post("/archive", content=bytes(MOST_BODY + 1), headers={"authorization": "Bearer the-token"})

    assert (answer.status_code, pod.recorder.heard) == (413, [])


def test_a_keeper_with_a_strange_certificate_is_told_nothing(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = make_pair(tmp_path / "other").certificate
    ask = KeeperAsk(pod.settings.model_copy(update={"authority": stranger}))

    with pytest.raises(Unavailable):
        ask("hello", patience=5.0)
    ask.close()


@pytest.mark.parametrize("missing", ["address", "authority", "token"])
def test_a_studio_that_is_not_told_where_the_log_is_does_not_start(pod: Pod, missing: str) -> None:
    none = "" if missing == "address" else None

    with pytest.raises(Refused, match=r"keeper\.address"):
        KeeperAsk(pod.settings.model_copy(update={missing: none}))


# ---- the studios' application, in a Ray without KubeRay


def sent(answer: Callable[[httpx.Request], httpx.Response]) -> tuple[bool, list[str]]:
    said: list[str] = []
    with httpx.Client(base_url="http://ray", transport=httpx.MockTransport(answer)) as client:
        taken = deploy.send(client, {"applications": [{"name": "studios"}]}, said.append)
    return taken, said


def test_the_application_is_put_where_kuberay_puts_it() -> None:
    asked: list[tuple[str, str, object]] = []

    def ray(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200)

    assert sent(ray) == (True, ["Ray has the application."])
    assert asked == [("PUT", "/api/serve/applications/", {"applications": [{"name": "studios"}]})]


def test_a_head_that_is_not_up_yet_is_asked_again_later() -> None:
    def ray(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert sent(ray) == (False, ["Ray does not answer yet (ConnectError)."])


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_an_application_that_ray_will_never_take_ends_the_pod(status: int) -> None:
    with pytest.raises(Refused, match=str(status)):
        sent(lambda request: httpx.Response(status))


# ---- what operators are told


class Gate:
    """A gateway that says what is missing, or says nothing."""

    def __init__(self, missing: str = "", silent: bool = False) -> None:
        self.said, self.silent = missing, silent

    def missing(self) -> str:
        if self.silent:
            raise Unavailable("This part of the cell has said nothing for 2 s.")
        return self.said


@pytest.mark.parametrize(
    ("door", "missing"),
    [
        (None, "the gateway, which is starting"),
        (Gate(), ""),
        (Gate("the residency log: away"), "the residency log: away"),
        (Gate(silent=True), "the gateway: This part of the cell has said nothing for 2 s."),
    ],
)
def test_a_keeper_is_ready_when_its_gateway_says_so(door: Any, missing: str) -> None:
    ready = Readiness()
    ready.door = door

    assert asyncio.run(ready()) == missing
