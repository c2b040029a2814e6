"""A cell on Ray Serve keeps the promises of a cell in one process, and loses its parts one after the other.

The model is the smallest of the real classes: these sentences are about processes and jobs, not about pictures.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from serving.cluster.numbers import HEALTHY
from serving.telemetry.tower import MOST as MOST_PORTS
from tests.acceptance.ray_cell import (
    LONG,
    LOOPBACKS,
    PATIENCE,
    RayCell,
    below,
    listening,
    on_a_ray,
    on_ray,
    processes,
    until,
)
from tests.acceptance.test_cell import equerry, submit
from tests.tiny import with_tiny_model

pytestmark = on_ray
MANY = 6  # films that keep a studio at work while something happens to it
SETTINGS = """
[sla]
on = false

[jobs]
lease = 15
heartbeat = 5
"""


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Iterator[RayCell]:
    with on_a_ray(tmp_path_factory.mktemp("ray") / "eu", lambda folder: with_tiny_model(folder, SETTINGS)) as found:
        yield found


def test_a_film_is_made_and_its_whole_story_is_in_the_log(cell):
    told = cell.finished(submit(cell), PATIENCE)

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


def test_all_of_its_ray_listens_on_loopback_alone(cell):
    assert cell.process is not None
    mine = {cell.process.pid, *processes(f"ray::ServeReplica:{cell.name}:")}

    found = listening(set().union(*map(below, mine)))

    assert {title for title in found.values() if title.startswith("ray::ServeReplica")} != set()
    assert {address: title for address, title in found.items() if not address.startswith(LOOPBACKS)} == {}


def test_operators_read_rays_own_numbers_of_this_cell_once_and_nothing_that_names_places(cell):
    def told() -> Counter[tuple[str, str]]:
        return Counter((s.labels["deployment"], s.labels["application"]) for s in samples(cell) if s.name == HEALTHY)

    until(lambda: len(told()) == 3, "Ray's numbers did not come", 120)

    assert told() == Counter([(part, cell.name) for part in ("gateway", "recorder", "studio")])
    assert {label for sample in samples(cell) for label in sample.labels} <= {"application", "deployment", "le"}


def samples(cell: RayCell) -> list[Sample]:
    """What operators read of Ray's at all ports of the cell's processes."""
    found: list[Sample] = []
    for port in range(cell.port + 1, cell.port + 1 + MOST_PORTS):
        with suppress(httpx.HTTPError):
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
            found += [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return [sample for sample in found if sample.name.startswith("ray_")]


def test_a_studio_that_is_killed_is_replaced_and_its_jobs_go_on(cell):
    videos = cell.ask(MANY)
    cell.begun(videos)

    killed = cell.kill("studio")

    assert cell.ended(videos) == ["completed"] * MANY
    assert killed not in cell.pids("studio")
    assert cell.verified() == []


def test_a_gateway_that_is_killed_is_replaced_and_no_job_is_lost(cell):
    videos = cell.ask(MANY)

    killed = cell.kill("gateway")

    assert cell.ended(videos) == ["completed"] * MANY
    assert killed not in cell.pids("gateway")


def test_a_cancelled_job_ends_before_its_film_does_and_the_studio_goes_on(cell):
    videos = cell.ask(MANY)
    cell.begun(videos)
    studio = cell.pids("studio")
    last = videos[-1].removeprefix("video_")
    with cell.client() as client:
        answer = client.post(f"/v1/jobs/{last}/cancel")
        assert answer.status_code < 300, answer.text
        until(lambda: client.get(f"/v1/jobs/{last}").json()["state"] == "cancelled", "the job was not cancelled")
        job = client.get(f"/v1/jobs/{last}").json()

    assert job["progress"] < 100
    assert cell.ended(videos[:-1]) == ["completed"] * (MANY - 1)
    assert cell.pids("studio") == studio


def test_nothing_is_accepted_that_is_not_in_the_log_while_the_recorder_is_away(cell):
    accepted: list[str] = []

    def answer() -> int:
        with cell.client() as client, suppress(httpx.TimeoutException):
            told = client.post("/v1/videos", json={**LONG, "seconds": "2"})
            accepted.extend([str(told.json()["id"])] if told.status_code == 200 else [])
            return told.status_code
        return 0

    def refused() -> bool:
        for pid in cell.pids("recorder"):  # each time that it comes back sooner than a gateway's patience ends
            os.kill(pid, signal.SIGKILL)
        return answer() == 503

    until(refused, "nothing was refused")
    until(lambda: answer() == 200, "nothing was accepted any more")

    assert cell.ended(accepted) == ["completed"] * len(accepted)
    assert cell.verified() == []


def test_a_drained_cell_hands_its_jobs_back_and_the_next_one_goes_on(cell):
    videos = cell.ask(24)
    cell.begun(videos)

    equerry("cell", "drain", cell.folder, "--seconds", 120)

    states = {str(cell.look(each)["status"]) for each in videos}
    assert "queued" in states
    assert states <= {"queued", "completed"}  # what is not done is in nobody's hands
    assert cell.stop() == 0
    cell.up()
    assert cell.ended(videos) == ["completed"] * len(videos)
    assert cell.verified() == []


def test_its_own_processes_say_nothing_of_a_prompt(cell):
    secret = "a yellow face sings C E G, hush Wachtmeister"

    cell.finished(submit(cell, prompt=secret), PATIENCE)

    places = [cell.folder / "out.log", *cell.log.rglob("*"), *(cell.folder / "scratch").rglob("*")]
    texts = [path.read_bytes() for path in places if path.is_file()]
    assert [text for text in texts if b"Wachtmeister" in text or b"yellow face" in text] == []
