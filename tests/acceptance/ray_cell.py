"""A cell on Ray for tests: it is watched through the note that `equerry cell status` reads, and loses its parts.

`EQUERRY_TEST_RAY` may name a Ray that runs already (HOST:PORT); else the cell starts one, as it does by default.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.test_cell import Cell, made

PATIENCE = 600.0  # seconds for what Ray does; a machine that is busy needs them
LONG = {"prompt": "a red ball", "seconds": "12", "size": "64x64"}

LISTENS = "0A"  # in /proc/net/tcp
LOOPBACKS = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")  # 127.0.0.1 and ::1

on_ray = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed; see make setup-engine"),
]


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
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.said
            with suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/readyz", timeout=20).status_code == 200 and self.running("studio") > 0
            return False

        until(ready, "the cell did not become ready")

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    @property
    def said(self) -> str:
        """What its processes have written."""
        return (self.folder / "out.log").read_text("utf-8", "replace")

    def running(self, part: str) -> int:
        """How many of a part run, as the cell says."""
        with suppress(OSError, KeyError):
            told = json.loads((self.folder / "state" / "running.json").read_text("utf-8"))
            return int(told["parts"][part]["replicas"].get("RUNNING", 0))
        return 0

    def pids(self, part: str) -> list[int]:
        """The processes of a part, by the title that Ray gives them."""
        return processes(f"ray::ServeReplica:{self.name}:{part}", f"ray::SERVE_REPLICA::{self.name}#{part}#")

    def kill(self, part: str) -> int:
        """The one process of a part, no more."""
        (pid,) = self.pids(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def ask(self, count: int, **more: object) -> list[str]:
        """Ids of so many films that were taken on, each with a seed of its own."""
        with self.client() as client:
            answers = [client.post("/v1/videos", json={**LONG, "seed": seed, **more}) for seed in range(count)]
        assert [answer.status_code for answer in answers] == [200] * count, answers[-1].text
        return [str(answer.json()["id"]) for answer in answers]

    def look(self, video: str) -> dict[str, Any]:
        """What the cell says of a film; nothing while it does not answer."""
        with self.client() as client, suppress(httpx.HTTPError, ValueError):
            told: dict[str, Any] = client.get(f"/v1/videos/{video}").json()
            return told
        return {}

    def begun(self, videos: Sequence[str]) -> None:
        """Waits until some of a film is there."""
        until(lambda: any(self.look(each).get("progress") for each in videos), "no film was begun")

    def ended(self, videos: Sequence[str]) -> list[str]:
        """How these films ended, when all of them have."""
        last = ("completed", "failed")
        until(lambda: all(self.look(each).get("status") in last for each in videos), "the jobs did not end")
        return [str(self.look(each)["status"]) for each in videos]


def processes(*titles: str) -> list[int]:
    """Processes whose title begins so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().decode("utf-8", "replace").startswith(titles):
                found.append(int(path.parent.name))
    return found


def below(pid: int) -> set[int]:
    """Processes that this one has started, and those that they have; itself too."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that has just ended
            parents[int(path.parent.name)] = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: Iterable[int]) -> dict[str, str]:
    """Addresses that these processes listen on, as the kernel writes them, each with the title of a process."""
    titles: dict[str, str] = {}
    for pid in pids:
        with suppress(OSError):
            title = Path(f"/proc/{pid}/cmdline").read_bytes()[:60].decode("utf-8", "replace")
            titles |= {str(link.readlink()): title for link in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [
        line.split() for kind in ("tcp", "tcp6") for line in Path("/proc/net", kind).read_text("ascii").splitlines()
    ]
    return {
        line[1]: titles[f"socket:[{line[9]}]"]
        for line in lines
        if line[3] == LISTENS and f"socket:[{line[9]}]" in titles
    }


def until(true: Callable[[], bool], else_: str, seconds: float = PATIENCE, pause: float = 0.2) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, else_
        time.sleep(pause)


@contextmanager
def on_a_ray(folder: Path, change: Callable[[Path], None]) -> Iterator[RayCell]:
    """A cell with one tenant, after `change` to its folder; it runs until the block is left."""
    plain = made(folder, "eu-ray", "FR", "jp-tyo,JP,Tokyo")
    change(plain.folder)
    cell = RayCell(plain.folder, plain.name, plain.port, tenant=plain.tenant, key=plain.key)
    try:
        cell.up()
        yield cell
    finally:
        if cell.process is not None:
            cell.process.terminate()
            cell.process.wait(PATIENCE)
