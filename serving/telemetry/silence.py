"""Third parties that would report home, told not to, before they are imported.

Each of these programs decides when it is imported, and by its own variables. They are set here, whatever they were
before: a variable that a shell has left behind must not open the cell. A child process inherits them.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from types import MappingProxyType
from typing import Final

__all__ = ["SILENCE", "hush"]

#: What is set, and so what a test holds each program to.
SILENCE: Final = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",  # vLLM, and whoever else keeps to the convention
        "VLLM_DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_OFFLINE": "1",
    }
)
_OTEL: Final = "OTEL_"  # variables that give OpenTelemetry addresses, headers and attributes past the settings


def hush(environment: MutableMapping[str, str] | None = None) -> None:
    """Switches usage reporting off, and takes away what would steer OpenTelemetry from outside the settings.

    In this process's environment, or in one that a child is about to get.
    """
    environment = os.environ if environment is None else environment
    environment.update(SILENCE)
    for name in [name for name in environment if name.startswith(_OTEL)]:
        del environment[name]
