"""What is said when something breaks that nobody caught: kind and place. Never the text, nor the values of variables.

Python's own tracebacks print an error's text and the lines of the source around it; the text may hold what a client
wrote. A core dump holds everything, so there is none.
"""

from __future__ import annotations

import logging
import resource
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from serving.telemetry.watcher import kind_of

__all__ = ["crash_quietly", "place_of"]

log = logging.getLogger(__name__)
MOST: Final = 3  # frames that are named


def place_of(trail: TracebackType | None) -> str:
    """The innermost frames, as FILE:LINE."""
    frames = traceback.extract_tb(trail)[-MOST:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def crash_quietly() -> None:
    """For this process, from now on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.excepthook = lambda _, error, trail: _say("The process ends: nobody caught an error.", error, trail)
    sys.unraisablehook = lambda found: _say("An error could not be raised.", found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: _say(
        "A thread ends: nobody caught an error.", found.exc_value, found.exc_traceback
    )
    logging.captureWarnings(True)


def _say(sentence: str, error: BaseException | None, trail: TracebackType | None) -> None:
    told = {"error": "other" if error is None else kind_of(error), "place": place_of(trail)}
    log.critical(sentence, extra=told)
