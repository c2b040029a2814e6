"""What a layout costs, by arithmetic alone: slots, waves, memory, operations, and the least time a machine needs.

The times are a roofline, a lower bound: a step takes as long as reading the weights and the keys and values once, or as
long as its multiplications at peak, whichever is longer. Launches, communication, kernels that fall short of the peak
and the codecs are not counted, so a real engine takes longer.

A wave reads the weights once for all its slots, a flat decoder once for every slot. That is the whole gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The numbers of a trunk that decide its cost."""

    layers: int
    width: int  # of the residual stream
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int  # inner width of the gated feed-forward
    vocabulary: int
    bytes_per_element: int = 2  # of weights, keys and values alike

    @property
    def parameters(self) -> int:
        """All matrices: the trunk's, the embedding and the head. Norms are too small to matter."""
        return self.multiplied + self.vocabulary * self.width

    @property
    def multiplied(self) -> int:
        """The matrices that every row is multiplied with: all but the embedding, which is only looked up."""
        attention = 2 * self.width * self.head_dim * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.width * self.ffn) + self.vocabulary * self.width

    @property
    def weight_bytes(self) -> int:
        """Memory for all matrices."""
        return self.parameters * self.bytes_per_element

    @property
    def kv_bytes_per_slot(self) -> int:
        """Memory for the keys and values of one slot."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.bytes_per_element


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One accelerator, or several alike that share every matrix evenly and talk in no time."""

    name: str
    flops_per_s: float
    bytes_per_s: float
    memory_bytes: float
    count: int = 1


# NVIDIA's data sheet, SXM: dense bf16 without sparsity, HBM3.
H100 = Machine(name="H100", flops_per_s=989e12, bytes_per_s=3.35e12, memory_bytes=80e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one clip costs on one machine."""

    slots: int  # length of the sequence, prompt included
    waves: int  # steps when decoded by waves
    kv_bytes_per_slot: int
    kv_bytes: int  # at the end of the clip
    parameters: int
    flops: float  # prompt and all slots
    memory_bytes: int  # weights and all keys and values
    fits: bool  # into the machine's memory, one clip at a time
    flat_seconds: float  # at least, prompt included, one slot a step
    wave_seconds: float  # at least, prompt included, one wave a step


def cost(layout: Layout, shape: Shape, machine: Machine = H100) -> Cost:
    """What decoding this layout costs a trunk of this shape on this machine."""
    spec = layout.spec
    start = spec.prompt + spec.given * spec.chunk_slots  # the first slot that is not known
    flat = np.arange(start, spec.slots + 1)
    waves = np.array([start, *(step.stop for step in layout.steps())])
    kv_bytes = spec.slots * shape.kv_bytes_per_slot
    memory = shape.weight_bytes + kv_bytes
    return Cost(
        slots=spec.slots,
        waves=layout.waves,
        kv_bytes_per_slot=shape.kv_bytes_per_slot,
        kv_bytes=kv_bytes,
        parameters=shape.parameters,
        flops=float(_flops(np.array([1, spec.slots]), shape).sum()),
        memory_bytes=memory,
        fits=memory <= machine.memory_bytes * machine.count,
        flat_seconds=_seconds(flat, shape, machine),
        wave_seconds=_seconds(waves, shape, machine),
    )


def _seconds(edges: NDArray[np.int64], shape: Shape, machine: Machine) -> float:
    """Time for the prompt in one step, then for the steps between neighbouring edges."""
    steps = np.concatenate([[1], edges]) if edges[0] > 1 else edges  # a prompt of `begin` alone has nothing to prefill
    read = shape.multiplied * shape.bytes_per_element + (steps[1:] - 1.0) * shape.kv_bytes_per_slot
    slowest = np.maximum(read / machine.bytes_per_s, _flops(steps, shape) / machine.flops_per_s)
    return float(slowest.sum()) / machine.count


def _flops(edges: NDArray[np.int64], shape: Shape) -> NDArray[np.float64]:
    """Operations of each step between neighbouring edges. Slot s is computed at position s - 1 and sees s positions."""
    end = edges.astype(np.float64)
    rows = np.diff(end)
    seen = np.diff(end * (end - 1) / 2)
    dense = 2.0 * shape.multiplied
    attention = 4.0 * shape.layers * shape.heads * shape.head_dim  # queries by keys, then weights by values
    return dense * rows + attention * seen
