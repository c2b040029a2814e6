"""The adapter on a machine that has no vLLM: small stand-ins take the place of its runner, on a device like a GPU's.

What vLLM itself makes of it is held by tests/integration/test_vllm_parity.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from model.clip import Mode, Size
from model.config import PONY
from model.engine import Task
from model.engines.walk import Walk
from model.errors import Broken
from model.generate import Order, Pace
from model.layout import Kind, layout
from model.prompt import Prompt
from model.vllm_plugin import exact
from model.vllm_plugin.inbox import COLUMNS, fill, order_of, take_of
from model.vocabulary import Guide, Vocabulary

V = Vocabulary(PONY)
WIDE = 3  # slots; a wave has more


class Base:
    """vLLM's V1 runner, as far as it is used."""

    def __init__(self, take_order, slot: int, count: int) -> None:
        self.device, self.max_num_tokens = torch.device("cpu"), 64
        self.use_async_scheduling = False
        self.model_config = SimpleNamespace(hf_config=SimpleNamespace(model=PONY))
        self.model = SimpleNamespace(inbox=torch.zeros(64, COLUMNS, dtype=torch.int32))
        self.query_start_loc = SimpleNamespace(np=np.array([0, count], np.int32))
        self.requests = {"film": SimpleNamespace(sampling_params=SimpleNamespace(extra_args=take_order))}
        self.input_batch = SimpleNamespace(
            req_ids=["film"],
            num_reqs=1,
            token_ids_cpu=np.arange(2_000)[None] % 900,
            num_computed_tokens_cpu=np.array([slot - 1], np.int32),
            num_tokens_no_spec=np.array([slot], np.int32),
        )

    def get_model(self):
        return self.model

    def _model_forward(self, *_, **__):
        return "states"

    def _sample(self, *_):
        raise AssertionError("vLLM's own sampler is not used")


class Worker:
    """vLLM's worker for a GPU."""

    use_v2_model_runner = False

    def __init__(self, runner) -> None:
        self.runner = runner

    def init_device(self) -> None:
        self.model_runner = self.runner


@pytest.fixture
def adapter(monkeypatch):
    """The module, over stand-ins for what it imports of vLLM."""
    archs = SimpleNamespace(get_supported_archs=lambda: ["EquerryTrunk"])
    names: dict[str, dict[str, object]] = {
        "vllm": {"ModelRegistry": archs},
        "vllm.platforms": {"current_platform": SimpleNamespace(is_cpu=lambda: False)},
        "vllm.v1": {},
        "vllm.v1.outputs": {"SamplerOutput": SimpleNamespace},
        "vllm.v1.worker": {},
        "vllm.v1.worker.gpu_worker": {"Worker": Worker},
    }
    for name, holds in names.items():
        module = ModuleType(name)
        module.__dict__.update(holds)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "model.vllm_plugin.adapter", raising=False)
    yield importlib.import_module("model.vllm_plugin.adapter")
    sys.modules.pop("model.vllm_plugin.adapter", None)


@pytest.fixture(scope="module")
def cut():
    prompt = Prompt(mode=Mode.T2V, size=Size(64, 64), seconds=1, guide=Guide.PLAIN, text=tuple(range(8)))
    found = Walk(Task(job="", order=Order(prompt=prompt, chunks=2, seed=3)), PONY).next()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def wave(cut):
    """A wave with several slots of picture and of sound."""
    table = layout(cut.spec)
    return next(w for w in table.steps() if {Kind.VIDEO, Kind.AUDIO} <= set(table.kind[w]) and w.stop - w.start > WIDE)


def started(adapter, cut, wave, **worker):
    runner = Base(order_of(cut, Pace.WAVES), wave.start, wave.stop - wave.start)
    made = adapter.Studio(runner)
    for name, value in worker.items():
        setattr(made, name, value)
    made.init_device()
    return made.model_runner


def test_the_inbox_holds_the_rows_of_the_step_before_the_model_runs(adapter, cut, wave):
    runner = started(adapter, cut, wave)

    assert runner._model_forward() == "states"

    rows = wave.stop - wave.start
    wanted, known = np.zeros((rows, COLUMNS), np.int32), runner.input_batch.token_ids_cpu
    fill(wanted, [take_of(order_of(cut, Pace.WAVES), PONY)], np.array([wave.start - 1]), np.array([rows]), known)
    assert np.array_equal(runner.model.inbox[:rows].numpy(), wanted)


def test_every_slot_of_a_wave_is_drawn_from_its_own_row(adapter, cut, wave):
    runner, rows, kinds = started(adapter, cut, wave), wave.stop - wave.start, layout(cut.spec).kind[wave]
    bases = [V.video if kind == Kind.VIDEO else V.audio for kind in kinds]
    logits = torch.full((rows + 1, V.size_in_all), -50.0)
    for row, base in enumerate(bases):
        logits[row, base + row] = 50.0
    runner.query_start_loc.np[1] = rows + 1  # one row more than the wave has, which the scheduler may add

    out = runner._sample(logits, SimpleNamespace(num_draft_tokens=[rows])).sampled_token_ids

    assert out.tolist() == [[*(base + row for row, base in enumerate(bases)), adapter.NOTHING]]
    assert out.dtype == torch.int32


def test_the_rest_of_the_wave_is_offered(adapter, cut, wave):
    runner = started(adapter, cut, wave)

    assert runner.rest(0) == wave.stop - wave.start - 1


@pytest.mark.parametrize("name", ["_sample", "get_model", "query_start_loc", "use_async_scheduling"])
def test_a_runner_of_another_vllm_is_refused_at_the_start(adapter, cut, wave, name):
    class Other:
        """One that lacks a name."""

        def __init__(self) -> None:
            self.__dict__.update(Base(order_of(cut, Pace.WAVES), wave.start, 1).__dict__)
            self.__dict__.pop(name, None)

        _model_forward, _sample, get_model = Base._model_forward, Base._sample, Base.get_model

    if name in vars(Other):
        delattr(Other, name)

    with pytest.raises(Broken, match=f"lacks runner.{name}"):
        adapter.check(Other())


def test_asynchronous_scheduling_is_refused(adapter, cut, wave):
    runner = Base(order_of(cut, Pace.WAVES), wave.start, 1)
    runner.use_async_scheduling = True

    with pytest.raises(Broken, match="asynchronous scheduling"):
        adapter.Studio(runner).init_device()


def test_the_other_runner_is_refused(adapter, cut, wave):
    with pytest.raises(Broken, match="VLLM_USE_V2_MODEL_RUNNER=0"):
        started(adapter, cut, wave, use_v2_model_runner=True)


def test_what_gives_the_references_codes_is_chosen_unless_somebody_chose(monkeypatch):
    monkeypatch.setattr(os, "environ", environment := {"TRITON_F32_DEFAULT": "tf32"})

    exact()

    assert environment == {"TRITON_F32_DEFAULT": "tf32", "VLLM_USE_V2_MODEL_RUNNER": "0"}
