"""Structured logs: one JSON object a line, with a short list of fields that may be in it.

A record's message is a constant sentence of ours. What varies comes as `extra`, and only names on the list are written,
so a prompt cannot slip in through a log call. Records of libraries are kept at warnings, without their arguments.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Final

__all__ = ["FIELDS", "Lines", "say_little"]

#: Everything that a line may say beside its time, level, logger and sentence.
FIELDS: Final = ("request", "job", "error", "state", "ms", "count")
MOST: Final = 100  # letters of one field


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Only what is on the list; of a library's record, the name and level alone."""
        ours = record.name.split(".")[0] in ("serving", "model", "policies")
        told: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "from": record.name,
            "says": str(record.msg)[:MOST] if ours and not record.args else "a library's record",
        }
        told |= {name: str(getattr(record, name))[:MOST] for name in FIELDS if hasattr(record, name)}
        return json.dumps(told, ensure_ascii=False)


def say_little(level: str) -> None:
    """Sends this process's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("serving", "model", "policies"):
        logging.getLogger(name).setLevel(level.upper())
