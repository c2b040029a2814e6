"""Two cells on this machine, EU and JP, driven as clients, operators and auditors would drive them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from policies.log.trust import parse_trust
from policies.log.verify import Options, verify

pytestmark = pytest.mark.slow

PROMPT = "a red circle bounces up and down on a black background"
MAKE = {"prompt": PROMPT, "seconds": "2", "size": "64x64", "seed": 3}


def equerry(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "equerry", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@dataclass
class Cell:
    """A cell's folder and, while it runs, its process."""

    folder: Path
    name: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    tenant: str = ""
    key: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return next((self.folder / "log" / "residency").iterdir())

    def up(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "equerry", "cell", "up", str(self.folder)]
        with (self.folder / "out.log").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        self.wait()

    def wait(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "out.log").read_text()
            time.sleep(0.2)
        raise AssertionError("the cell did not become ready")

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.process = None
        return code

    def client(self, key: str | None = None) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {key or self.key}"}, timeout=30)

    def finished(self, video: str, seconds: float = 120) -> dict[str, object]:
        end = time.monotonic() + seconds
        with self.client() as client:
            while time.monotonic() < end:
                told: dict[str, object] = client.get(f"/v1/videos/{video}").json()
                if told["status"] in ("completed", "failed"):
                    return told
                time.sleep(0.1)
        raise AssertionError("the job did not end")

    def verified(self) -> list[str]:
        trust = next((self.folder / "log").glob("*.trust"))
        report = verify(self.log, parse_trust(trust.read_bytes()), Options(replay=True))
        return [finding.code for finding in report.findings]


def made(folder: Path, name: str, country: str, neighbour: str) -> Cell:
    """A cell with one tenant and one key."""
    cell = Cell(folder, name, free_port())
    law = name[:2].upper()
    equerry("cell", "init", folder, "--name", name, "--country", country, "--port", cell.port, "--neighbour", neighbour)
    told = equerry(
        "tenant", "add", "Acme", "--cell", folder, "--home", law, "--jurisdiction", law, "--class", "personal", "--json"
    )
    cell.tenant = json.loads(told)["id"]
    cell.key = json.loads(equerry("tenant", "key", "add", cell.tenant, "--cell", folder, "--json"))["key"]
    return cell


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Iterator[tuple[Cell, Cell]]:
    folder = tmp_path_factory.mktemp("cells")
    eu = made(folder / "eu", "eu-par", "FR", "jp-tyo,JP,Tokyo")
    jp = made(folder / "jp", "jp-tyo", "JP", "eu-par,FR,Paris")
    try:
        eu.up()
        jp.up()
        yield eu, jp
    finally:
        for cell in (eu, jp):
            if cell.process is not None:
                cell.process.kill()
                cell.process.wait(30)


def submit(cell: Cell, **more: object) -> str:
    with cell.client() as client:
        answer = client.post("/v1/videos", json={**MAKE, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_film_is_made_in_the_eu_and_its_whole_story_is_in_the_log(cells):
    eu, _ = cells

    told = eu.finished(submit(eu))

    assert (told["status"], told["size"], told["seconds"]) == ("completed", "64x64", "2")
    with eu.client() as client:
        film = client.get(f"/v1/videos/{told['id']}/content").content
    assert film[4:8] == b"ftyp"
    assert b"c2pa" in film
    assert eu.verified() == []


def test_a_european_key_is_sent_home_from_japan_before_its_body_is_read(cells):
    eu, jp = cells

    with socket.create_connection(("127.0.0.1", jp.port), timeout=20) as wire:
        wire.sendall(
            b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + eu.key.encode() + b"\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = b""
        while part := wire.recv(65_536):  # ends when the cell closes, though not a byte of the body was sent
            answer += part

    assert answer.startswith(b"HTTP/1.1 421 ")
    assert b"100 Continue" not in answer
    assert jp.verified() == []
    assert '"dec":"deny"' in equerry("audit", "export", jp.log)


def test_another_tenants_film_is_one_that_never_was(cells):
    eu, _ = cells
    mine = submit(eu)
    told = equerry(
        "tenant",
        "add",
        "Other",
        "--cell",
        eu.folder,
        "--home",
        "EU",
        "--jurisdiction",
        "EU",
        "--class",
        "personal",
        "--json",
    )
    key = json.loads(equerry("tenant", "key", "add", json.loads(told)["id"], "--cell", eu.folder, "--json"))["key"]
    eu.finished(mine)

    with eu.client(key) as other:
        end = time.monotonic() + 10
        while other.get("/v1/videos").status_code == 503 and time.monotonic() < end:
            time.sleep(0.2)  # until the rules know the new tenant
        answers = [
            other.get(path)
            for path in (f"/v1/videos/{mine}", f"/v1/videos/{mine}/content", f"/v1/videos/video_{'0' * 32}")
        ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].text.replace(mine.removeprefix("video_"), "0" * 32) == answers[2].text


def test_a_key_that_is_revoked_opens_nothing_within_a_second(cells):
    eu, _ = cells
    made_key = json.loads(equerry("tenant", "key", "add", eu.tenant, "--cell", eu.folder, "--json"))
    with eu.client(made_key["key"]) as client:
        before = client.get("/v1/videos").status_code
        equerry("tenant", "key", "revoke", made_key["id"], "--cell", eu.folder)
        after = client.get("/v1/videos").status_code

    assert (before, after) == (200, 401)


def test_a_prompt_is_in_no_log_of_the_cell(cells):
    eu, _ = cells
    secret = "a yellow face sings C E G, hush Wachtmeister"

    eu.finished(submit(eu, prompt=secret))

    texts = [path.read_bytes() for path in [eu.folder / "out.log", *eu.log.rglob("*")] if path.is_file()]
    assert [text for text in texts if b"Wachtmeister" in text or b"yellow face" in text] == []


def test_a_cell_that_is_killed_loses_no_job_and_makes_the_very_same_film(cells):
    eu, _ = cells
    calm, again = (eu.finished(submit(eu, seconds="4", seed=9)) for _ in range(2))
    hurried = submit(eu, seconds="4", seed=9)
    time.sleep(0.5)

    eu.stop(signal.SIGKILL)
    eu.up()

    told = eu.finished(hurried)
    assert told["status"] == "completed"
    with eu.client() as client:
        films = [client.get(f"/v1/videos/{each['id']}/content").content for each in (calm, again, told)]
    # each film carries a watermark of its own, which moves a pixel by some levels; another film would move bodies
    assert apart(films[0], films[1]) < 0.002
    assert apart(films[0], films[2]) < 0.002
    assert eu.verified() == []


def test_a_second_start_of_a_cell_is_refused_at_once_and_the_first_goes_on(cells):
    eu, _ = cells
    assert eu.process is not None

    second = subprocess.run(
        [sys.executable, "-m", "equerry", "cell", "up", str(eu.folder)], capture_output=True, text=True, check=False
    )

    assert (second.returncode, f"Process {eu.process.pid} runs this cell" in second.stderr) == (2, True)
    assert eu.finished(submit(eu))["status"] == "completed"


def test_a_refused_client_that_sends_its_body_to_the_end_reads_its_refusal(cells):
    _, jp = cells

    with httpx.Client(base_url=jp.url, headers={"authorization": "Bearer eqk_eu-par_none"}, timeout=30) as client:
        answers = [client.post("/v1/videos", content=bytes(20 << 20)).status_code for _ in range(3)]

    assert answers == [401, 401, 401]


def test_a_cell_stops_gently_and_says_that_it_is_down(cells):
    _, jp = cells

    assert jp.stop() == 0
    assert "does not run" in equerry("cell", "down", jp.folder)
    jp.up()


def apart(one: bytes, other: bytes) -> float:
    """The share of two films' pixels that differ by more than a watermark explains."""
    from fractions import Fraction

    import numpy as np

    from model.media import read_film

    frames = [read_film(film, fps=Fraction(8), rate=8_000).frames.astype(np.int16) for film in (one, other)]
    return float((np.abs(frames[0] - frames[1]).max(-1) > 80).mean())
