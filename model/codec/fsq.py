"""Finite scalar quantisation: a code is a small grid point, and there is no codebook to learn or to collapse.

Source: Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023. A vector of D numbers is bounded, each
number is rounded to one of L_d levels, and the D digits are read as one mixed-radix index, first digit least
significant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FSQ(nn.Module):
    """Rounds vectors [..., D] to a grid of prod(levels) points; gradients pass straight through."""

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.codes = math.prod(levels)
        steps = torch.tensor(levels, dtype=torch.float32)
        self.middle: Tensor
        self.radix: Tensor
        self.count: Tensor
        self.register_buffer("middle", (steps - 1) / 2, persistent=False)
        self.register_buffer("count", torch.tensor(levels, dtype=torch.int64), persistent=False)
        radix = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("radix", torch.tensor(radix, dtype=torch.int64), persistent=False)
        self.points: Tensor  # [codes, D]: each code's grid point
        self.register_buffer("points", self.digits(torch.arange(self.codes)) / self.middle - 1, persistent=False)

    def grid(self, values: Tensor) -> Tensor:
        """Unbounded numbers [..., D] to grid positions 0..L-1, still as differentiable floats."""
        bounded = (torch.tanh(values) + 1) * self.middle
        return bounded + (bounded.round() - bounded).detach()

    def forward(self, values: Tensor) -> Tensor:
        """Unbounded numbers [..., D] to grid points in [-1, 1]."""
        return self.grid(values) / self.middle - 1

    def encode(self, values: Tensor) -> Tensor:
        """Unbounded numbers [..., D] to codes [...], int64 in 0..codes-1."""
        return (self.grid(values).long() * self.radix).sum(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [...] to grid points [..., D] in [-1, 1]."""
        return self.points[codes]

    def digits(self, codes: Tensor) -> Tensor:
        """Codes [...] to grid positions [..., D], int64 in 0..L-1."""
        return (codes[..., None] // self.radix) % self.count
