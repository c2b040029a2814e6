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

from serving.errors import Refused
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
    """What is noted, or None when that process does not live any more. Raises Refused when the note is another's."""
    note = settings.folders.state / RUNNING
    try:
        told: dict[str, Any] = json.loads(note.read_text("utf-8"))
        _alive(told["pid"])
        began = _began(told["pid"])
    except PermissionError:
        raise Refused(f"{note} is not yours to read. Ask as the user who runs the cell, or as root.") from None
    except (OSError, ValueError, KeyError):
        return None
    return told if told.get("began", began) == began else None


def _alive(pid: int) -> None:
    """Raises ProcessLookupError for a process that is gone. Another user's process lives, though it cannot be told."""
    with suppress(PermissionError):
        os.kill(pid, 0)


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did (proc(5), field 22); empty where nothing says so."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # the command's name before it may hold anything
