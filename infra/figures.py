"""What the models need, in numbers: a copy of what `equerry model layout` says, checked against it by a test.

This room may not import the model, and the program that Pulumi runs should not load torch to divide two numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Figures", "figures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One model's needs."""

    model: str
    weight_bytes: int
    kv_bytes_per_slot: int
    longest_sequence: int  # slots of the longest window at the native size
    tensor_parallel: tuple[int, ...]  # sizes that divide its heads

    @property
    def least_bytes(self) -> int:
        """Memory for the weights and one film."""
        return self.weight_bytes + self.longest_sequence * self.kv_bytes_per_slot


@cache
def figures(model: str) -> Figures:
    """The needs of `pony` or `horse`."""
    row = json.loads(files("infra").joinpath("figures.json").read_text())[model]
    return Figures(model=model, **{**row, "tensor_parallel": tuple(row["tensor_parallel"])})
