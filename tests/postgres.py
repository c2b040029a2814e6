"""A private Postgres server in a temporary folder, reachable through its socket alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534  # initdb refuses root, so root lends the folder to this user


def missing() -> str | None:
    """Why no server can be started here; None when one can."""
    if folder() is None:
        return "Postgres is not installed: there is no initdb in PATH or /usr/lib/postgresql. Install `postgresql`."
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "initdb refuses root, and there is no setpriv to become another user. Install `util-linux`."
    return None


def folder() -> Path | None:
    """Where initdb and pg_ctl are."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "pg_ctl").exists()), None)


class Server:
    """One server. `durable=False` leaves out fsync, which only a crash of the whole machine would miss."""

    def __init__(self, home: Path, *, durable: bool = False) -> None:
        self.home = home
        self._options = f"-k {home} -c listen_addresses='' -c max_connections=200 -c fsync={'on' if durable else 'off'}"
        home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        self._run("initdb", "-D", str(home / "db"), "-A", "trust", "-U", "equerry", "--no-sync", "-E", "UTF8")

    def address(self, database: str = "postgres") -> str:
        """For `open_store`."""
        return f"postgresql://equerry@/{database}?host={self.home}"

    def start(self) -> None:
        """Returns when it answers."""
        log = str(self.home / "log")
        self._run("pg_ctl", "-D", str(self.home / "db"), "-w", "-l", log, "-o", self._options, "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: no checkpoint, no farewell."""
        self._run("pg_ctl", "-D", str(self.home / "db"), "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """SIGKILL to the whole family, as when memory runs out; `start` then recovers."""
        family = self._family()
        for process in family:
            os.kill(process, signal.SIGKILL)
        while any(map(_alive, family)):  # until then the next server would find its place taken
            time.sleep(0.01)
        for lock in (self.home / "db" / "postmaster.pid", self.home / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)  # a zombie that nobody has buried yet also counts as running

    def freeze(self, seconds: float) -> None:
        """SIGSTOP to the whole family: connections stay open, and nobody answers."""
        family = self._family()
        try:
            for process in family[1:]:
                os.kill(process, signal.SIGSTOP)
            time.sleep(seconds)
        finally:
            for process in family:
                os.kill(process, signal.SIGCONT)

    def _family(self) -> list[int]:
        """The server's processes, its leader first; that one stands still, so that it starts and buries no more."""
        leader = int((self.home / "db" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        os.kill(leader, signal.SIGSTOP)
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text(encoding="ascii").split()
        return [leader, *map(int, children)]

    def _run(self, program: str, *arguments: str) -> None:
        place = folder()
        assert place is not None
        done = subprocess.run(
            [*_as_somebody(), str(place / program), *arguments],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,  # the server would hold the pipe
            stderr=subprocess.STDOUT,
            check=False,
        )
        log = self.home / "log"
        assert done.returncode == 0, (program, done.stdout, log.exists() and log.read_text(encoding="utf-8")[-2000:])


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _as_somebody() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
