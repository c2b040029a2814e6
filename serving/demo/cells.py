"""Cells as processes of this machine, made, started and stopped by the very commands that an operator types."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from serving.errors import Unavailable
from serving.home import Site

__all__ = ["DemoCell", "equerry", "free_ports"]

START_S: Final = 120.0  # for a cell to become ready; five are usual
STOP_S: Final = 60.0  # for one to hand back its work
COMMAND_S: Final = 120.0
TAIL: Final = 12  # lines of what a cell said, when it fails
MOST_TRIES: Final = 100  # pairs of ports that are tried


@dataclass(slots=True)
class DemoCell:
    """One cell's folder and, while it runs, its process."""

    site: Site
    folder: Path
    port: int
    key: str = field(default="", repr=False)  # of its one tenant
    runtime: str = "local"  # or ray
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Such as eu-par."""
        return self.site.cell

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def make(self, neighbour: Site) -> None:
        """`equerry cell init`, and one tenant whose requests stay in the cell's jurisdiction."""
        other, law = f"{neighbour.cell},{neighbour.country},{neighbour.city}", self.site.jurisdiction
        place = ("--name", self.name, "--country", self.site.country, "--city", self.site.city, "--port", self.port)
        equerry("cell", "init", self.folder, *place, "--neighbour", other)
        bounds = ("--home", law, "--jurisdiction", law, "--class", "personal")
        told = json.loads(equerry("tenant", "add", "Acme", "--cell", self.folder, *bounds, "--json"))
        self.key = json.loads(equerry("tenant", "key", "add", told["id"], "--cell", self.folder, "--json"))["key"]

    def start(self) -> None:
        """`equerry cell up`; returns at once."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # two cells share this machine
        with self._said.open("ab") as out:
            self.process = subprocess.Popen(
                _command("cell", "up", self.folder, "--runtime", self.runtime),
                stdout=out,
                stderr=out,
                env=environment,
            )

    def wait(self, seconds: float = START_S) -> None:
        """Until it is ready. Raises Unavailable with what it said when it ends or takes too long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                raise Unavailable(f"The cell {self.name} ended while it started. It said: {self.tail()}")
            if self._ready():
                return
            time.sleep(0.2)
        raise Unavailable(f"The cell {self.name} is not ready after {seconds:.0f} s. It said: {self.tail()}")

    def stop(self) -> None:
        """As `equerry cell down` does it; one that does not go within a minute is killed."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def evidence(self, folder: Path) -> tuple[Path, Path]:
        """A copy of the log and of the file that says whom to trust: all that an auditor is given."""
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier showing; two logs in one would be none
        shutil.copytree(self.folder / "log", folder)
        return next((folder / "residency").iterdir()), next(folder.glob("*.trust"))

    def holds(self, text: str) -> bool:
        """Whether any file of the cell has these words in it."""
        return any(text.encode() in path.read_bytes() for path in self.folder.rglob("*") if path.is_file())

    def tail(self) -> str:
        """The last lines that the cell wrote."""
        lines = self._said.read_text("utf-8", "replace").splitlines() if self._said.exists() else []
        return " / ".join(lines[-TAIL:]) or "nothing"

    @property
    def _said(self) -> Path:
        return self.folder / "out.log"

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5.0, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def equerry(*arguments: object) -> str:
    """What one of our commands prints. Raises Unavailable with what it complained of."""
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        what = " ".join(str(each) for each in arguments[:2])
        raise Unavailable(f"`equerry {what}` ended with {done.returncode}: {' / '.join(said[-TAIL:])}")
    return done.stdout


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "equerry", *map(str, arguments)]


def free_ports() -> int:
    """A port that is free, and so is the next one: a cell takes both. Somebody else may still be faster."""
    for _ in range(MOST_TRIES):
        with closing(socket.socket()) as first, closing(socket.socket()) as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise Unavailable("There are no two free ports side by side on this machine. End something that listens.")
