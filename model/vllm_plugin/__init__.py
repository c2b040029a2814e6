"""The pony and the horse on vLLM, out of tree: `register` is the entry point in the group `vllm.general_plugins`.

Nothing here is imported unless vLLM is used; vLLM is an extra.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["exact", "register", "silence"]

ARCHITECTURE: Final = "EquerryTrunk"
FORMAT: Final = "equerry"  # name of our checkpoints' form, in vLLM's registers of configurations and loaders
CHANCE: Final = "equerry-chance"  # the same without weights, which are drawn from chance

_SILENCE: Final = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}

_EXACT: Final = {
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # a GPU's default without waves; the adapter knows the other one
    "TRITON_F32_DEFAULT": "ieee",  # a GPU's attention in float32 multiplies with 10 bits otherwise: other codes
}


def silence() -> None:
    """Keeps vLLM and its libraries from talking to anybody; to be called before vLLM is imported."""
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)


def exact() -> None:
    """Chooses what gives the reference's codes on a GPU too; to be called before an engine is configured."""
    for name, value in _EXACT.items():
        os.environ.setdefault(name, value)


def register() -> None:
    """Tells vLLM of the model, its configuration and its checkpoints. Calling it again changes nothing."""
    silence()
    exact()
    from vllm import ModelRegistry

    if ARCHITECTURE in ModelRegistry.get_supported_archs():
        return
    from model.vllm_plugin import checkpoint  # noqa: F401  registers how a checkpoint is read
    from model.vllm_plugin.trunk import EquerryTrunk

    ModelRegistry.register_model(ARCHITECTURE, EquerryTrunk)
