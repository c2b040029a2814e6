"""What codes have in common, learnt once for all of them.

A code is one index over several digits (model/codec/fsq.py), and most of the thousands of codes are met rarely. In
training, the row of a code in a table is its own row and a sum over its digits and its pairs of digits, so that what is
learnt of a colour in one code is known of it in all. Afterwards the sum is folded into the rows: what is shipped is an
ordinary table.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model.codec.fsq import FSQ
from model.vocabulary import Vocabulary


def digits(levels: tuple[int, ...]) -> Tensor:
    """Which digits and pairs of digits each code has: zeros and ones [codes, features]."""
    fsq = FSQ(levels)
    each = fsq.digits(torch.arange(fsq.codes)).unbind(1)
    ones = [torch.eye(count)[digit] for digit, count in zip(each, levels, strict=True)]
    pairs = [(a[:, :, None] * b[:, None, :]).flatten(1) for a, b in combinations(ones, 2)]
    return torch.cat(ones + pairs, 1)


def _among(block: Tensor, start: int, rows: int) -> Tensor:
    out = torch.zeros(rows, block.shape[1])
    out[start : start + len(block)] = block
    return out


class Kin(nn.Module):
    """Adds to the rows [V, D] of a table what they share; nothing at first."""

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        config = vocabulary.config
        parts = ((vocabulary.video, config.video.levels), (vocabulary.audio, config.audio.levels))
        features = torch.cat([_among(digits(levels), start, vocabulary.size_in_all) for start, levels in parts], 1)
        self.features: Tensor
        self.register_buffer("features", features, persistent=False)
        self.shared = nn.Parameter(torch.zeros(features.shape[1], width))

    def forward(self, rows: Tensor) -> Tensor:
        """[V, D] to the same shape."""
        with torch.autocast(rows.device.type, enabled=False):
            return torch.addmm(rows, self.features, self.shared)


def bind(module: nn.Embedding | nn.Linear, vocabulary: Vocabulary) -> None:
    """Lets the rows of a module's weight share what they have in common, until `fold`."""
    parametrize.register_parametrization(module, "weight", Kin(vocabulary, module.weight.shape[1]))


def fold(module: nn.Module) -> None:
    """Makes the weight an ordinary table of the same values again."""
    parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
