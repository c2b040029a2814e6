"""Weights drawn from chance, one tensor after the other and where they are wanted: a model of any size, without a file.

What a film costs does not depend on what the weights have learnt, so the horse can be timed before anybody has trained
it. Each tensor depends on its name alone: every rank, and every engine on the same kind of device, draws the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from zlib import crc32

import torch
from torch import Tensor

from model.config import ModelConfig
from model.trunk import Trunk

__all__ = ["trunk", "weights"]


def weights(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Names and values of the trunk's parameters. States keep the size that they have in a trained trunk."""
    with torch.device("meta"):
        plan = Trunk(config)
    for name, wanted in plan.named_parameters():
        yield name, _drawn(name, wanted.shape, config.trunk.layers, device, dtype)


def trunk(config: ModelConfig, device: torch.device, dtype: torch.dtype) -> Trunk:
    """The reference trunk with these weights, made on the device. It is not to be trained."""
    with torch.device("meta"):
        made = Trunk(config)
    made = made.to(dtype).to_empty(device=device).eval().requires_grad_(False)
    own = dict(made.named_parameters())
    for name, value in weights(config, device, dtype):
        own[name].copy_(value)
    return made


def _drawn(name: str, shape: torch.Size, layers: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    if len(shape) == 1:  # of a norm
        return torch.ones(shape, device=device, dtype=dtype)
    generator = torch.Generator(device).manual_seed(crc32(name.encode()))
    value = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    return value.mul_(_size(name, shape, layers))


def _size(name: str, shape: torch.Size, layers: int) -> float:
    """Standard deviation: near that of `Trunk.begin`, and a head whose codes are not all alike."""
    if name == "table.weight":
        return 1.0
    if name in ("kinds.weight", "places.weight"):
        return 0.1
    depth = math.sqrt(2 * layers) if name.endswith(("out.weight", "down.weight")) else 1.0
    return (1.0 if name == "head.weight" else 0.5) / math.sqrt(shape[1]) / depth
