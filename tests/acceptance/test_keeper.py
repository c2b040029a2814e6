"""A cell in two places: gateway and log in a keeper's process, the studio in another, with TLS between them."""

from __future__ import annotations

import json
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

from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from serving.cluster.bench import Bench
from serving.keeper.ask import KeeperAsk
from serving.settings_file import load
from tests.tls import make_pair

pytestmark = pytest.mark.slow

MAKE = {"prompt": "a red circle bounces up and down on a black background", "seconds": "2", "size": "64x64"}


def equerry(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "equerry", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def two_free_ports() -> int:
    """The first of two, for clients and for operators."""
    for _ in range(100):
        port = free_port()
        with socket.socket() as next_one, suppress(OSError, OverflowError):
            next_one.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports beside each other")


class Keeper:
    """A keeper's process and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "cell.toml"
        port = two_free_ports()
        self.url, self.operations = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        equerry("cell", "init", folder, "--name", "eu-par", "--country", "FR", "--port", port)
        desk, pair = free_port(), make_pair(folder)
        (folder / "token").write_text("the-token")
        (folder / "token").chmod(0o600)
        more = {
            "port": desk,
            "address": f'"https://localhost:{desk}"',
            "certificate": f'"{pair.certificate}"',
            "key": f'"{pair.key}"',
            "authority": f'"{pair.certificate}"',
            "token": '"token"',
        }
        with self.file.open("a") as file:
            file.write("\n[keeper]\n" + "".join(f"{name} = {value}\n" for name, value in more.items()))
        told = equerry("tenant", "add", "Acme", "--cell", folder, "--home", "EU", "--jurisdiction", "EU",
                       "--class", "personal", "--json")  # fmt: skip
        tenant = json.loads(told)["id"]
        self.key = json.loads(equerry("tenant", "key", "add", tenant, "--cell", folder, "--json"))["key"]
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "out.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "serving.keeper", str(self.file)],
                stdout=out,
                stderr=out,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def ready(self) -> None:
        end = time.monotonic() + 240
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder / "out.log").read_text()
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError((self.folder / "out.log").read_text())

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=30)

    def submit(self) -> str:
        with self.client() as client:
            answer = client.post("/v1/videos", json=MAKE)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def ended(self, video: str) -> str:
        end = time.monotonic() + 180
        with self.client() as client:
            while time.monotonic() < end:
                status = str(client.get(f"/v1/videos/{video}").json()["status"])
                if status in ("completed", "failed"):
                    return status
                time.sleep(0.2)
        raise AssertionError("the job did not end")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(tmp_path / "eu")
    made.ready()
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_a_studio_elsewhere_makes_films_and_what_it_did_is_in_the_one_log(keeper: Keeper) -> None:
    ask = KeeperAsk(load(keeper.file).keeper)
    bench = Bench(str(keeper.file), ask)
    try:
        first = keeper.ended(keeper.submit())

        assert keeper.stop() == 0, (keeper.folder / "out.log").read_text()  # a new generation of the keeper
        keeper.process = keeper.start()
        keeper.ready()
        second = keeper.ended(keeper.submit())
    finally:
        bench.close()
        ask.close()

    assert (first, second, keeper.stop()) == ("completed", "completed", 0)
    log = next((keeper.folder / "log" / "residency").iterdir())
    trust = next((keeper.folder / "log").glob("*.trust"))
    assert verify(log, parse_trust(trust.read_bytes()), Options(replay=True)).findings == []


def test_operators_find_readiness_and_everything_that_is_counted_at_one_port(keeper: Keeper) -> None:
    keeper.submit()
    live, ready, told = (httpx.get(f"{keeper.operations}{path}") for path in ("/livez", "/readyz", "/metrics"))
    families = [line.split()[2] for line in told.text.splitlines() if line.startswith("# TYPE")]

    assert (live.status_code, ready.json()) == (200, {"ready": True, "missing": ""})
    assert "equerry_log_commit_duration_seconds_count{" in told.text, "what the recorder counts is missing"
    assert "equerry_request_duration_seconds_count{" in told.text, "what the gateway counts is missing"
    assert len(families) == len(set(families))


def test_a_keeper_whose_port_for_operators_is_taken_does_not_start(keeper: Keeper) -> None:
    assert keeper.stop() == 0
    with socket.create_server(("127.0.0.1", int(keeper.operations.rpartition(":")[2]))):
        keeper.process = keeper.start()

        assert keeper.process.wait(240) != 0
    assert "Operations cannot listen on" in (keeper.folder / "out.log").read_text()
