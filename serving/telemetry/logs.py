"""Structured logs: one JSON object a line, with the fields of the allow-list, and the trace that the line belongs to.

A record's message is a constant sentence of ours. What varies comes as `extra`, and only what is on the list is
written, so a prompt cannot slip in through a log call. Records of libraries are kept at warnings, without a word of
theirs: the name of the library and the level are all there is.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Final

from opentelemetry import trace

from serving.telemetry.eyes import Told
from serving.telemetry.sentences import ROOMS, spoken
from serving.telemetry.sieve import Sieve, Tally

__all__ = ["Lines", "count_logs", "say_little"]

LIBRARY: Final = "a library's record"
UNLISTED: Final = "a sentence that may not be said"
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.count_in(Tally())

    def count_in(self, tally: Tally) -> None:
        """From now on, count what is dropped there."""
        self._tally, self._sieve = tally, Sieve("logs", tally)

    def format(self, record: logging.LogRecord) -> str:
        """Only what is on the list; of a library's record, the name and level alone."""
        return json.dumps(self.told(record), ensure_ascii=False)

    def told(self, record: logging.LogRecord) -> dict[str, object]:
        """The line as a value."""
        ours = record.name.split(".")[0] in ROOMS
        told: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower() if record.levelno in _LEVELS else "other",
            "from": _module(record.name),
            "says": self._sentence(record) if ours else LIBRARY,
        }
        return told | self._sieve.strain(_trace()) | (self._fields(record) if ours else {})

    def _sentence(self, record: logging.LogRecord) -> str:
        """The sentence as the source has it, with its places left open."""
        if spoken(record.pathname, record.msg):
            return str(record.msg)
        self._tally.drop("logs", "unlisted")
        return UNLISTED

    def _fields(self, record: logging.LogRecord) -> dict[str, Told]:
        return self._sieve.strain({name: value for name, value in vars(record).items() if name not in _USUAL})


def _trace() -> dict[str, str]:
    found = trace.get_current_span().get_span_context()
    return {"trace": f"{found.trace_id:032x}", "span": f"{found.span_id:016x}"} if found.is_valid else {}


def _module(logger: str) -> str:
    """The module that a logger is named after, as far as there is one; anybody can make up a logger's name."""
    while logger and logger not in sys.modules:
        logger = logger.rpartition(".")[0]
    return logger or "other"


_LEVELS: Final = frozenset({logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL})


def say_little(level: str) -> None:
    """Sends this process's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ROOMS:
        logging.getLogger(name).setLevel(level.upper())
    logging.raiseExceptions = False  # a record that cannot be written is not shown in a traceback


def count_logs(tally: Tally) -> None:
    """What this process's log lines drop is counted in `tally` from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Lines):
            handler.formatter.count_in(tally)
