"""What a benchmark ran on, how fast that is at best, and so how fast a layout could be there: the roofline.

The peaks are measured in the same run, by a product of large matrices of the weights' own kind of number and by a sum
over numbers that fit in no cache. `model.cost` reckons one film; here films of a batch share the weights that a step
reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from time import perf_counter, thread_time
from typing import Any, Final

import numpy as np
import torch

from benchmarks.machine import processor
from model.config import ModelConfig
from model.cost import Machine, Shape
from model.layout import Layout
from model.plan import shape_of

__all__ = [
    "DEVICE_HELP",
    "BadDevice",
    "Hardware",
    "Numbers",
    "bound",
    "check",
    "check_vllm",
    "finished",
    "here",
    "told",
]

DEVICE_HELP: Final = "Where the model runs: cpu or cuda."
SIDE: Final = 1_024  # of the matrices whose product measures arithmetic; 4,096 on a GPU
READ: Final = 32 * 2**20  # float32 numbers that are read to measure memory
TRIES: Final = 9  # of which the fastest counts: the others were disturbed
FLOAT32: Final = 4  # bytes; engines compute in it, so that all of them draw the same codes


class Numbers(StrEnum):
    """What weights, keys and values are kept in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    @property
    def torch(self) -> torch.dtype:
        """The same in torch's words."""
        return torch.float32 if self is Numbers.FLOAT32 else torch.bfloat16

    @property
    def bytes(self) -> int:
        """Of one number."""
        return 4 if self is Numbers.FLOAT32 else 2


class BadDevice(SystemExit):
    """A device that cannot be measured here; its text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One machine, as it stands in a table of results."""

    device: str  # cpu or cuda
    name: str
    cores: int  # of the processor
    threads: int  # that torch uses
    load: float  # processes that wanted to run in the last minute, ours included: above `cores`, figures are low
    torch: str
    flops_per_s: float  # in `numbers`
    bytes_per_s: float  # read
    numbers: Numbers = Numbers.FLOAT32

    @property
    def machine(self) -> Machine:
        """The same in the words of `model.cost`."""
        return Machine(
            name=self.name, flops_per_s=self.flops_per_s, bytes_per_s=self.bytes_per_s, memory_bytes=float("inf")
        )


def check(device: str) -> None:
    """Raises BadDevice unless torch can compute there."""
    if device not in ("cpu", "cuda"):
        raise BadDevice(f"There is no device {device!r}. Use cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        built = "is built without CUDA" if torch.version.cuda is None else "finds no GPU"
        raise BadDevice(
            f"torch {torch.__version__} {built} here, so nothing can be measured on cuda."
            " Use --device cpu, or a machine with a GPU and the extra equerry[vllm]."
        )


def check_vllm(device: str) -> None:
    """Raises BadDevice when the vLLM that is installed runs elsewhere: each build knows one kind of device."""
    from vllm.platforms import current_platform

    runs = current_platform.device_type
    if runs != device:
        raise BadDevice(f"The vLLM that is installed here runs on {runs}. Use --device {runs}, or vLLM's other build.")


def finished(device: str) -> None:
    """Waits for what a GPU was told to do; to be called before a clock is read."""
    if device == "cuda":
        torch.cuda.synchronize()


def here(device: str = "cpu", numbers: Numbers = Numbers.FLOAT32) -> Hardware:
    """This machine; takes about a second to measure. Raises BadDevice."""
    check(device)
    return Hardware(
        device=device,
        name=torch.cuda.get_device_name() if device == "cuda" else processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        load=round(os.getloadavg()[0], 1),
        torch=torch.__version__,
        flops_per_s=_arithmetic(device, numbers),
        bytes_per_s=_reading(device),
        numbers=numbers,
    )


def told(hardware: Hardware) -> dict[str, Any]:
    """For JSON."""
    return asdict(hardware)


def bound(
    table: Layout, config: ModelConfig, machine: Machine, films: int, *, waves: bool, element: int = FLOAT32
) -> float:
    """Films a minute that the machine could make at best, so many at once, by waves or slot by slot.

    `machine` is of the numbers that the model is kept in.
    """
    shape = shape_of(config, element)
    steps = [(each.start, each.stop) for each in table.steps()]
    if not waves:
        steps = [(slot, slot + 1) for start, stop in steps for slot in range(start, stop)]
    prompt = (1, steps[0][0])
    return 60 * films / sum(_least(start, stop, shape, machine, films) for start, stop in [prompt, *steps])


def _least(start: int, stop: int, shape: Shape, machine: Machine, films: int) -> float:
    """Seconds for the rows of one step of every film: reading weights and keys and values, or arithmetic."""
    rows, seen = stop - start, sum(range(start, stop))
    read = shape.multiplied * shape.bytes_per_element + films * stop * shape.kv_bytes_per_slot
    attention = 4.0 * shape.layers * shape.heads * shape.head_dim
    flops = films * (2.0 * shape.multiplied * rows + attention * seen)
    return max(read / machine.bytes_per_s, flops / machine.flops_per_s)


def _arithmetic(device: str, numbers: Numbers) -> float:
    side = SIDE if device == "cpu" else 4 * SIDE
    a = torch.from_numpy(np.random.default_rng(0).random((side, side), np.float32)).to(device, numbers.torch)
    return 2.0 * side**3 / _seconds(lambda: a @ a, device)


def _reading(device: str) -> float:
    ones = torch.ones(READ if device == "cpu" else 16 * READ, device=device)  # a GPU's cache holds 50 MiB and more
    return 4.0 * len(ones) / _seconds(ones.sum, device)


def _seconds(work: Callable[[], object], device: str) -> float:
    def once() -> float:
        began = now()
        work()
        return now() - began

    def now() -> float:
        finished(device)
        if device == "cuda":
            return perf_counter()
        return thread_time()  # the calling thread works as long as its helpers, and other programs do not count

    once()
    return min(once() for _ in range(TRIES))
