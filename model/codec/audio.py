"""The audio codec: 31 ms of sound become one code; both directions look only backwards.

Convolutions over time keep the last few inputs of each layer, so decoding a film chunk by chunk gives the same
samples as decoding it whole.

Shapes: B batch, N codes, S samples a code, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from model.codec.fsq import FSQ
from model.packed import PackedLinear


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioCodecConfig:
    """Sizes of an audio codec."""

    rate: int  # samples a second
    hop: int  # samples a code
    levels: tuple[int, ...]  # of the quantiser
    width: int
    encoder_dilations: tuple[int, ...]
    decoder_dilations: tuple[int, ...]

    @property
    def codes(self) -> int:
        """Number of different codes."""
        return torch.Size(self.levels).numel()


class CausalBlock(nn.Module):
    """Mixes each step with the two steps `dilation` and `2 * dilation` before it."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.up = PackedLinear(3 * width, 2 * width)
        self.down = PackedLinear(2 * width, width)

    def forward(self, x: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """[B, N, D] and the last `reach` normalised inputs, or None at the start, to the same shapes."""
        normed = self.norm(x)
        if past is None:
            past = torch.zeros(x.shape[0], self.reach, x.shape[2], dtype=normed.dtype, device=x.device)
        longer = torch.cat([past, normed], 1)
        n, d = x.shape[1], self.dilation
        taps = torch.cat([longer[:, 0:n], longer[:, d : d + n], longer[:, 2 * d :]], -1)
        return x + self.down(fn.gelu(self.up(taps))), longer[:, -self.reach :]


State = list[Tensor | None]


class AudioCodec(nn.Module):
    """Samples to codes and back."""

    def __init__(self, config: AudioCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.fsq = FSQ(config.levels)
        digits = len(config.levels)
        self.enter = nn.Linear(config.hop, config.width)
        self.encoder = nn.ModuleList(CausalBlock(config.width, d) for d in config.encoder_dilations)
        self.squeeze = nn.Linear(config.width, digits)
        self.expand = nn.Linear(digits, config.width)
        self.decoder = nn.ModuleList(CausalBlock(config.width, d) for d in config.decoder_dilations)
        self.norm = nn.LayerNorm(config.width)
        self.leave = PackedLinear(config.width, config.hop)

    def latents(self, samples: Tensor) -> Tensor:
        """Samples [B, N*S] in -1..1 to unquantised numbers [B, N, digits]."""
        x = self.enter(samples.unflatten(1, (-1, self.config.hop)) * 4)
        for block in self.encoder:
            x, _ = block(x)
        out: Tensor = self.squeeze(x).float()
        return out

    def render(self, points: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Grid points [B, N, digits] to samples [B, N*S] and the state that the next points need."""
        past = state or [None] * len(self.decoder)
        x = self.expand(points)
        kept: State = []
        for block, last in zip(self.decoder, past, strict=True):
            x, now = block(x, last)
            kept.append(now)
        return self.leave(self.norm(x)).float().flatten(1) / 4, kept

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Samples float32 [B, N*S] to codes int64 [B, N]."""
        return self.fsq.encode(self.latents(samples))

    @torch.no_grad()
    def decode(self, codes: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Codes [B, N] to samples float32 [B, N*S] in -1..1, and the state for the next call."""
        samples, kept = self.render(self.fsq.decode(codes), state)
        return samples.clamp(-1, 1), kept
