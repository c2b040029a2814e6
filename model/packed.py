"""Products with few rows on the CPU, which are what a wave is.

A plain product lays out its matrix anew on every call, which for the handful of rows of a wave costs more than the
product itself. Here the matrix is laid out once (oneDNN) and the copy is used for as long as the matrix stays as it
is. And a row's result does not depend on how many rows are computed with it, to the last bit, as that of a plain
product does: waves, slots and batches of any size see the same numbers.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

ROWS: Final = 8  # that the copy is laid out for; others are as fast


def available() -> bool:
    """Whether this build of torch has the two functions."""
    ours = all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))
    return ours and torch.backends.mkldnn.is_available()


class Packed:
    """Multiplies by one matrix, of which it keeps a copy while no gradients are wanted."""

    def __init__(self) -> None:
        self._of: tuple[int, int] | None = None  # where the matrix lies, and how often it was written
        self._copy: Tensor | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Packed:
        return Packed()

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """[..., I] by [O, I] to [..., O], and [O] more."""
        if not _few(x, weight):
            return fn.linear(x, weight, bias)
        of = (weight.data_ptr(), weight._version)
        if self._of != of:
            self._copy, self._of = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS), of
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x.contiguous(), self._copy, bias, "none", [], "")
        return out


class PackedLinear(nn.Linear):
    """A linear layer that is so multiplied."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        self._packed = Packed()

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] to [..., out]."""
        return self._packed(x, self.weight, self.bias)


def _few(x: Tensor, weight: Tensor) -> bool:
    plain = x.device.type == weight.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    return (
        torch.is_inference_mode_enabled()
        and plain
        and not weight.is_inference()  # nobody counts how often such a tensor is written
        and not torch.is_autocast_enabled("cpu")
        and _AVAILABLE
    )


_AVAILABLE: Final = available()
