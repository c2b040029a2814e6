"""What vLLM counts of a film that it draws in this process, as an operator reads it."""

from __future__ import annotations

import asyncio
import importlib.util
from collections import Counter

import pytest
from prometheus_client import Metric

from model.checkpoint import load
from model.cli import find
from model.clip import Clip, Mode, Size
from model.engine import Task
from model.engines.loop import EngineLoop
from model.engines.vllm_stepper import VllmSettings, VllmStepper
from model.generate import Generator
from model.make import Maker
from serving.telemetry.foreign import of_vllm, sifted
from serving.telemetry.sieve import Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # vLLM and what it imports warn of their own
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed; see make setup-engine"),
]


def test_vllms_own_metrics_pass_the_list_and_name_no_path():
    slots, found = asyncio.run(drawn())

    samples = [sample for family in found for sample in family.samples]
    values = Counter[str]()
    for sample in samples:  # a metric has one for each way to end
        values[sample.name] += sample.value  # type: ignore[assignment]  # they count
    assert values["vllm:generation_tokens_total"] == slots
    assert values["vllm:prompt_tokens_total"] > 0
    assert values["vllm:request_success_total"] == 1  # a film of a second is one window
    assert {name for sample in samples for name in sample.labels} <= {"engine", "finished_reason", "le"}


async def drawn() -> tuple[int, list[Metric]]:
    """The slots of a film that vLLM draws, and what it has counted."""
    model = load("pony")
    clip = Clip(prompt="a red circle", mode=Mode.T2V, size=Size(64, 64), seconds=1, seed=1)
    order = Maker(Generator(model)).ready(clip).order
    told = VllmSettings(weights=str(find("pony")), films=2, stats=True, threads="nobind")
    engine = EngineLoop(lambda: VllmStepper(told, model.config), model.config)
    try:
        await engine.check()
        codes = [chunk.codes async for chunk in engine.submit(Task(job="a" * 32, order=order))]
        return sum(each.video.numel() + each.audio.numel() for each in codes), sifted(of_vllm(), "vllm", Tally())
    finally:
        await engine.close()
