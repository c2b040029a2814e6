"""A cell on Ray Serve keeps the promises of a cell in one process, and loses its parts one after the other.

`EQUERRY_TEST_RAY` may name a Ray that runs already (HOST:PORT); else the cell starts one, as it does by default.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.acceptance.test_cell import Cell, equerry, made, submit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed; see make setup-engine"),
]

PATIENCE = 600.0  # seconds for what Ray does; a machine that is busy needs them


class RayCell(Cell):
    """A cell whose parts are processes of Ray's."""

    def up(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if address := os.environ.get("EQUERRY_TEST_RAY"):
            environment["EQUERRY_RAY__ADDRESS"] = address
        command = [sys.executable, "-m", "equerry", "cell", "up", str(self.folder), "--runtime", "ray"]
        with (self.folder / "out.log").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        self.wait()

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=20).status_code == 200 and self.status("studio"):
                    return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "out.log").read_text()
            time.sleep(0.5)
        raise AssertionError("the cell did not become ready")

    def status(self, part: str) -> bool:
        """Whether the cell says that a part runs."""
        said = subprocess.run(
            [sys.executable, "-m", "equerry", "cell", "status", str(self.folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return f"{part}: 1 running" in said.stdout

    def pid(self, part: str) -> int:
        """The process of a part, by the title that Ray gives it."""
        title = f"ray::ServeReplica:{self.name}:{part}".encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if path.read_bytes().startswith(title):
                    return int(path.parent.name)
        return 0

    def kill(self, part: str) -> None:
        os.kill(self.pid(part), signal.SIGKILL)

    def finished(self, video: str, seconds: float = PATIENCE) -> dict[str, object]:
        end = time.monotonic() + seconds
        with self.client() as client:
            while time.monotonic() < end:
                with suppress(httpx.HTTPError):
                    told: dict[str, object] = client.get(f"/v1/videos/{video}").json()
                    if told.get("status") in ("completed", "failed"):
                        return told
                time.sleep(0.2)
        raise AssertionError("the job did not end")

    def progress(self, video: str) -> int:
        with self.client() as client:
            return int(client.get(f"/v1/videos/{video}").json()["progress"])


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Iterator[RayCell]:
    plain = made(tmp_path_factory.mktemp("ray") / "eu", "eu-ray", "FR", "jp-tyo,JP,Tokyo")
    found = RayCell(plain.folder, plain.name, plain.port, tenant=plain.tenant, key=plain.key)
    try:
        found.up()
        yield found
    finally:
        if found.process is not None:
            found.process.terminate()
            found.process.wait(PATIENCE)


def test_a_film_is_made_and_its_whole_story_is_in_the_log(cell):
    told = cell.finished(submit(cell))

    assert (told["status"], told["size"], told["seconds"]) == ("completed", "64x64", "2")
    with cell.client() as client:
        film = client.get(f"/v1/videos/{told['id']}/content").content
    assert film[4:8] == b"ftyp"
    assert b"c2pa" in film
    assert cell.verified() == []


def test_no_body_byte_of_a_denied_request_is_asked_for(cell):
    with socket.create_connection(("127.0.0.1", cell.port), timeout=60) as wire:
        wire.sendall(
            b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eqk_jp-tyo_" + b"0" * 16 + b"\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = b""
        while part := wire.recv(65_536):  # ends when the cell closes, though not a byte of the body was sent
            answer += part

    assert answer[:13] in (b"HTTP/1.1 401 ", b"HTTP/1.1 421 ")
    assert b"100 Continue" not in answer


def test_a_studio_that_is_killed_is_replaced_and_its_job_goes_on(cell):
    video = submit(cell, seconds="6", seed=9)
    while not cell.progress(video):
        time.sleep(0.1)
    before = cell.pid("studio")

    cell.kill("studio")

    assert cell.finished(video)["status"] == "completed"
    assert cell.pid("studio") not in (0, before)
    assert cell.verified() == []


def test_nothing_is_accepted_that_is_not_in_the_log_while_the_recorder_is_away(cell):
    refused = 0
    accepted: list[str] = []
    cell.kill("recorder")
    end = time.monotonic() + PATIENCE
    with cell.client() as client:
        while time.monotonic() < end and not (refused and accepted):
            with suppress(httpx.TimeoutException):
                answer = client.post("/v1/videos", json={"prompt": "a face sings", "seconds": "2", "size": "64x64"})
                assert answer.status_code in (200, 503)
                if answer.status_code == 503:
                    refused += 1
                else:
                    accepted.append(str(answer.json()["id"]))

    assert [cell.finished(video)["status"] for video in accepted] == ["completed"] * len(accepted)
    assert cell.verified() == []


def test_a_drained_cell_hands_its_job_back_and_the_next_one_goes_on(cell):
    video = submit(cell, seconds="6", seed=10)
    while not cell.progress(video):
        time.sleep(0.1)

    equerry("cell", "drain", cell.folder, "--seconds", 120)

    with cell.client() as client:
        assert client.get(f"/v1/videos/{video}").json()["status"] == "queued"
    assert cell.stop() == 0
    cell.up()
    assert cell.finished(video)["status"] == "completed"
    assert cell.verified() == []


def test_its_own_processes_say_nothing_of_a_prompt(cell):
    secret = "a yellow face sings C E G, hush Wachtmeister"

    cell.finished(submit(cell, prompt=secret))

    places = [cell.folder / "out.log", *cell.log.rglob("*"), *(cell.folder / "scratch").rglob("*")]
    texts = [path.read_bytes() for path in places if path.is_file()]
    assert [text for text in texts if b"Wachtmeister" in text or b"yellow face" in text] == []
