"""The processor's own time, which other programs disturb less than they disturb the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Final

__all__ = ["below", "seconds_of", "spent"]

TICKS: Final = os.sysconf("SC_CLK_TCK")  # in a second


def spent() -> float:
    """Seconds that this process and those below it that live have worked, all threads (proc(5), stat)."""
    return process_time() + sum(seconds_of(Path(f"/proc/{each}/stat")) for each in below(os.getpid()))


def seconds_of(stat: Path) -> float:
    """Of a process or a thread, in user and in kernel mode; nothing when it has ended meanwhile."""
    try:
        fields = stat.read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / TICKS


def below(process: int) -> Iterator[int]:
    """Processes that this one has started, and those that they have."""
    for listed in Path(f"/proc/{process}/task").glob("*/children"):  # nothing where there is no such file system
        try:
            found = listed.read_text("ascii").split()
        except OSError:  # the thread has ended
            continue
        for child in map(int, found):
            yield child
            yield from below(child)
