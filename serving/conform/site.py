"""A cell under test: its settings, its process, and a tenant of the kit's own that goes away afterwards.

A cell that runs already is left running and is only spoken to and searched. One that does not run is started, in a
network of its own where there is one, and can then be stopped, killed and robbed.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from policies.constraints import Constraints, Wish
from policies.log.reader import Log, open_source
from policies.tenants.folder import open_books
from policies.tenants.tenant import Instant
from serving.conform.wires import End
from serving.errors import Refused, Unavailable
from serving.settings import CellSettings
from serving.settings_file import load

__all__ = ["ANSWER", "Guest", "Site"]

READY: Final = 600.0  # seconds in which a cell must be ready; a process that ends is not waited for
GONE: Final = 90.0  # seconds in which it must be gone
ANSWER: Final = 300.0  # seconds for one request; a busy machine is no fault of the cell's
TURN: Final = 0.2
NAME: Final = "Conformance"


@dataclass(frozen=True, slots=True)
class Guest:
    """The kit's tenant at one cell, and its key."""

    tenant: str
    key: str
    key_id: str


@dataclass(slots=True, kw_only=True)
class Site:
    """One cell. `out` is where its processes' lines go when the kit starts it."""

    file: Path
    settings: CellSettings
    out: Path
    end: End | None = None  # its network, when it has one of its own
    collector: str = ""  # address that its traces go to, while the kit runs it
    process: subprocess.Popen[bytes] | None = None
    guest: Guest | None = None
    more: dict[str, str] = field(default_factory=dict)  # settings over the file's, as the environment spells them

    @classmethod
    def of(cls, file: Path, out: Path) -> Site:
        """From a settings file or a cell's folder. Raises Refused for settings that do not hold."""
        file = file / "cell.toml" if file.is_dir() else file
        return cls(file=file, settings=load(file), out=out)

    @property
    def name(self) -> str:
        """Of the cell."""
        return self.settings.cell.name

    @property
    def home(self) -> Path:
        """The folder of its settings file."""
        return self.file.parent.resolve()

    @property
    def host(self) -> str:
        """Where it listens: in its own network, or as its settings say."""
        if self.end:
            return self.end.address
        here = self.settings.listen.host
        return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(here, here)

    @property
    def url(self) -> str:
        """Where the kit reaches it."""
        return f"http://{self.host}:{self.settings.listen.port}"

    @property
    def log(self) -> Path:
        """Folder of the newest shard of its residency log."""
        found = sorted((self.settings.log.folder / "residency").glob("*/checkpoint"))
        if not found:
            raise Refused(f"{self.name} has no residency log in {self.settings.log.folder}. Start it once.")
        return found[-1].parent

    @property
    def trust(self) -> Path:
        """The trust policy that the cell has written beside its log."""
        return self.settings.log.folder / f"residency-{self.log.name}.trust"

    def opened(self) -> Log:
        """Its log, for reading."""
        return Log(open_source(self.log))

    def running(self) -> int | None:
        """The process that runs it now, whoever started it."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        with suppress(OSError, ValueError, KeyError):
            told: dict[str, Any] = json.loads((self.settings.folders.state / "running.json").read_text("utf-8"))
            os.kill(told["pid"], 0)
            return int(told["pid"])
        return None

    def start(self, *, wait: bool = True) -> None:
        """Start it. Raises Unavailable when it does not become ready."""
        command = [sys.executable, "-m", "equerry", "cell", "up", str(self.file)]
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                self.end.command(command) if self.end else command, stdout=out, stderr=out, env=self._environment()
            )
        if wait:
            self.arrive()

    def arrive(self) -> None:
        """Wait until it is ready. Raises Unavailable when it does not become so."""
        if not self.ready(READY):
            raise Unavailable(f"The cell {self.name} did not become ready. Its last lines are in {self.out}.")

    def _environment(self) -> dict[str, str]:
        scratch = self.home / "tmp"
        scratch.mkdir(mode=0o700, exist_ok=True)
        told = {"TMPDIR": str(scratch), "EQUERRY_LISTEN__HOST": self.host, **self.more}
        if self.end:
            told["EQUERRY_LISTEN__OPERATIONS_HOST"] = self.host
        if self.collector:
            told["EQUERRY_TELEMETRY__OTLP"] = self.collector
        return {**os.environ, **told}

    def ready(self, seconds: float) -> bool:
        """Whether it answers that it is ready, within so many seconds; stops waiting when its process is gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                    return True
            if self.process is not None and self.process.poll() is not None:
                return False
            time.sleep(TURN)
        return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End what the kit has started, gently or not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(GONE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(GONE)
        self.process = None

    def welcome(self, now: int) -> Guest:
        """Adds the kit's tenant, bound to this cell's jurisdiction, with a key."""
        law = self.settings.cell.jurisdiction
        ceiling = Constraints.model_validate(
            {"home": law, "allowed_jurisdictions": [law], "allowed_classes": ["personal"]}
        )
        books = open_books(self.settings.policies.tenants.parent, secrets.token_bytes)
        try:
            tenant = books.add_tenant(NAME, ceiling, "standard", Instant(now))
            minted = books.add_key(tenant.id, "conform", Wish(), Instant(now))
        finally:
            books.store.close()
        self.guest = Guest(str(tenant.id), minted.text.text, str(minted.key.id))
        return self.guest

    def farewell(self, now: int) -> None:
        """Closes the tenant: its key opens nothing from now on."""
        if self.guest is None:
            return
        books = open_books(self.settings.policies.tenants.parent, secrets.token_bytes)
        try:
            found = next(each for each in books.store.tenants() if str(each.id) == self.guest.tenant)
            books.close(found.id, Instant(now))
        finally:
            books.store.close()
        self.guest = None

    def client(self, guest: Guest | None = None) -> httpx.Client:
        """Speaks to this cell with the key of a guest, of this cell where none is named."""
        key = (guest or self.guest or Guest("", "", "")).key
        return httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=ANSWER, trust_env=False
        )
