"""The pony and the horse on vLLM, out of tree: `register` is the entry point in the group `vllm.general_plugins`.

Nothing here is imported unless vLLM is used; vLLM is an extra.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["register", "silence"]

ARCHITECTURE: Final = "EquerryTrunk"
FORMAT: Final = "equerry"  # name of our checkpoints' form, in vLLM's registers of configurations and loaders

_SILENCE: Final = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


def silence() -> None:
    """Keeps vLLM and its libraries from talking to anybody; to be called before vLLM is imported."""
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)


def register() -> None:
    """Tells vLLM of the model, its configuration and its checkpoints. Calling it again changes nothing."""
    silence()
    from vllm import ModelRegistry

    if ARCHITECTURE in ModelRegistry.get_supported_archs():
        return
    from model.vllm_plugin import checkpoint  # noqa: F401  registers how a checkpoint is read
    from model.vllm_plugin.trunk import EquerryTrunk

    ModelRegistry.register_model(ARCHITECTURE, EquerryTrunk)
