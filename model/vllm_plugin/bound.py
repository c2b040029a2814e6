"""A process of vLLM's ends with the process that it works for, and at that one's word alone.

vLLM's core does not look whether anybody listens: when a cell is killed, it would wait for ever, with all the memory
that it holds. And what is typed at a terminal reaches every process there, while it is the cell that knows how to stop:
it hands back what it has, and then ends its engine.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess
from typing import Final

__all__ = ["bind"]

OURS: Final = ("EngineCore", "VllmWorker")  # how vLLM names the processes that it starts


def bind() -> None:
    """In a process that vLLM has started: ends it with its parent, and leaves Ctrl-C to that one."""
    parent = multiprocessing.parent_process()
    if parent is None or not multiprocessing.current_process().name.startswith(OURS):
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="bound", daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # whatever this process is in the middle of, nobody wants it any more
