"""What a run stands on, told once for all of its parts. Needs no torch, so that the suite begins at once."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["machine", "processor"]


def machine() -> dict[str, Any]:
    """For JSON. Each part tells its own device, threads and peaks beside its figures."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),  # processes that wanted to run: near `cores`, figures are low
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def processor() -> str:
    """Its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
