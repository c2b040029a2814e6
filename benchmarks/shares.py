"""Processor time of a run, told apart: what the engine took, what its clients took, and all the rest.

Taken from proc(5): the engine is the thread of its loop and every process of vLLM's, a client is a process whose number
is told, and the rest is whatever else this process and those that it has started have used. A clock tick is 10 ms, so
read it over seconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.spent import below, seconds_of

__all__ = ["Shares", "shares"]

LOOP: Final = "engine"  # the name of an engine's thread
VLLM: Final = "VLLM::"  # how vLLM's processes call themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Seconds of processor time."""

    loop: float  # of the engine, in this process
    core: float  # of the engine, in processes of its own
    client: float
    rest: float

    @property
    def engine(self) -> float:
        """Wherever it works."""
        return self.loop + self.core

    def since(self, before: Shares) -> Shares:
        """What was spent between two looks."""
        return Shares(
            loop=self.loop - before.loop,
            core=self.core - before.core,
            client=self.client - before.client,
            rest=self.rest - before.rest,
        )


def shares(client: int | None = None) -> Shares:
    """So far, of this process and those below it; `client` is the process that only asks."""
    me = os.getpid()
    others = {process: _whole(process) for process in below(me) if process != client}
    core = sum(took for process, took in others.items() if _command(process).startswith(VLLM))
    loop = sum(seconds_of(Path(f"/proc/{me}/task/{thread}/stat")) for thread in _loops())
    asked = 0.0 if client is None else _whole(client)
    return Shares(loop=loop, core=core, client=asked, rest=_whole(me) + sum(others.values()) - core - loop)


def _loops() -> Iterator[int]:
    for thread in threading.enumerate():
        if thread.name == LOOP and thread.native_id is not None:
            yield thread.native_id


def _whole(process: int) -> float:
    return seconds_of(Path(f"/proc/{process}/stat"))


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text("utf-8", errors="replace")
    except OSError:
        return ""
