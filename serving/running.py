"""Who runs a cell now: a small file in its state folder, which `equerry cell status`, `drain` and `down` read.

It is a note, not a lock: the residency log's lock keeps a second one out. A process that is killed leaves its note, and
its number goes to another one some day; so the note says when the process began.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from serving.settings import CellSettings

__all__ = ["Claim", "who_runs"]

RUNNING: Final = "running.json"


class Claim:
    """This process runs the cell, until the block ends."""

    def __init__(self, settings: CellSettings, runtime: str) -> None:
        self.path = settings.folders.state / RUNNING
        self.told: dict[str, object] = {
            "pid": os.getpid(),
            "began": _began(os.getpid()),
            "cell": settings.cell.name,
            "origin": settings.cell.origin,
            "runtime": runtime,
        }

    def tell(self, more: dict[str, object]) -> None:
        """Note more of how it is."""
        self.told |= more
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.told), "utf-8")
        new.replace(self.path)

    def __enter__(self) -> Claim:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tell({})
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.path.unlink()


def who_runs(settings: CellSettings) -> dict[str, Any] | None:
    """What is noted, or None when that process does not live any more."""
    try:
        told: dict[str, Any] = json.loads((settings.folders.state / RUNNING).read_text("utf-8"))
        os.kill(told["pid"], 0)
        began = _began(told["pid"])
    except (OSError, ValueError, KeyError):
        return None
    return told if told.get("began", began) == began else None


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did (proc(5), field 22); empty where nothing says so."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # the command's name before it may hold anything
