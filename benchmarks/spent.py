"""The processor's own time, which other programs disturb less than they disturb the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import process_time

__all__ = ["spent"]


def spent() -> float:
    """Seconds that this process and those below it that live have worked, all threads (proc(5), stat)."""
    return process_time() + sum(map(_worked, _below(os.getpid())))


def _worked(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _below(process: int) -> Iterator[int]:
    for listed in Path(f"/proc/{process}/task").glob("*/children"):  # nothing where there is no such file system
        try:
            found = listed.read_text("ascii").split()
        except OSError:  # the thread has ended
            continue
        for child in map(int, found):
            yield child
            yield from _below(child)
