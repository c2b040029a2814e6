"""Size and length of a film: as it was made, or as it will be while it is not there yet."""

from __future__ import annotations

import json
from collections.abc import Mapping

from model.clip import Size
from serving.desk import Standing

__all__ = ["facts", "outlook", "result_of"]


def facts(standing: Standing) -> Mapping[str, object]:
    """What the cell wrote down about the finished film; empty before."""
    found = json.loads(standing.job.result) if standing.job.result else {}
    return found if isinstance(found, dict) else {}


def outlook(standing: Standing) -> dict[str, int]:
    """Place in the line and milliseconds until the film is expected, for clients that keep fields they do not know.
    What is not known, or over, is left out."""
    told = {"queue_position": standing.place, "eta_ms": standing.eta_ms}
    return {name: value for name, value in told.items() if value is not None}


def result_of(standing: Standing) -> tuple[Size | None, float | None]:
    """Pixels and seconds; None where they follow a film that nobody has measured yet."""
    made, wish = facts(standing), standing.wish
    width, height, seconds = made.get("width"), made.get("height"), made.get("seconds")
    size = Size(width, height) if isinstance(width, int) and isinstance(height, int) else wish.size
    return size, float(seconds) if isinstance(seconds, int | float) else wish.seconds
