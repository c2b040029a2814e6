"""The video codec: four frames of 8x8 pixels become one code, and no frame is needed before its chunk is whole.

The encoder sees one chunk alone, with a narrow view of the neighbouring patches: a patch of plain background has the
same code wherever it lies, which is what the trunk finds easy to learn. The decoder sees the chunk and the one before
it, so all the state of a stream is one chunk of codes.

Shapes: B batch, C chunks, F frames a chunk, H W latent rows and columns, P pixels of a patch side, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as fn
from torch.nn.utils import convert_conv2d_weight_memory_format

from model.codec.fsq import FSQ
from model.packed import PackedLinear


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCodecConfig:
    """Sizes of a video codec."""

    frames: int  # a chunk
    patch: int  # pixels on a side
    levels: tuple[int, ...]  # of the quantiser
    width: int
    encoder_kernels: tuple[int, ...]  # patches on a side that each block of the encoder sees; 1 sees its own alone
    decoder_blocks: int
    fps: int

    @property
    def codes(self) -> int:
        """Number of different codes."""
        return torch.Size(self.levels).numel()


class Block(nn.Module):
    """Looks at neighbouring patches one channel at a time, then mixes the channels of each patch."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        convert_conv2d_weight_memory_format(self.near, torch.channels_last)  # as its input lies, or all is turned over
        self.norm = nn.LayerNorm(width)
        self.up = PackedLinear(width, 3 * width)
        self.down = PackedLinear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, D] to the same shape."""
        x = x + self.near(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = x + self.down(fn.gelu(self.up(self.norm(x))))
        return out


class VideoCodec(nn.Module):
    """Pixels to codes and back, a chunk at a time."""

    def __init__(self, config: VideoCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.fsq = FSQ(config.levels)
        values = config.frames * config.patch**2 * 3
        digits = len(config.levels)
        self.enter = nn.Linear(values, config.width)
        self.encoder = nn.ModuleList(Block(config.width, kernel) for kernel in config.encoder_kernels)
        self.squeeze = nn.Linear(config.width, digits)
        self.expand = nn.Linear(2 * digits + 1, config.width)  # this chunk, the one before, and whether there was one
        self.decoder = nn.ModuleList(Block(config.width, 5) for _ in range(config.decoder_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.leave = PackedLinear(config.width, values)

    def patches(self, pixels: Tensor) -> Tensor:
        """Pixels [B, T, H*P, W*P, 3], uint8 or float in 0..255, T = C*F, to [B, C, H, W, F*P*P*3] in -1..1."""
        f, p = self.config.frames, self.config.patch
        b, t, height, width, _ = pixels.shape
        cut = pixels.float().reshape(b, t // f, f, height // p, p, width // p, p, 3) / 127.5 - 1
        return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, t // f, height // p, width // p, f * p * p * 3)

    def pixels(self, patches: Tensor) -> Tensor:
        """The inverse of `patches`: [B, C, H, W, F*P*P*3] to float [B, T, H*P, W*P, 3] in 0..255, not clipped."""
        f, p = self.config.frames, self.config.patch
        b, c, h, w, _ = patches.shape
        cut = patches.reshape(b, c, h, w, f, p, p, 3).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return (cut.reshape(b, c * f, h * p, w * p, 3) + 1) * 127.5

    def latents(self, pixels: Tensor) -> Tensor:
        """Pixels [B, T, H*P, W*P, 3] to unquantised numbers [B, C, H, W, digits]."""
        x = self.patches(pixels)
        b, c = x.shape[:2]
        x = self.enter(x.flatten(0, 1))
        for block in self.encoder:
            x = block(x)
        out: Tensor = self.squeeze(x).unflatten(0, (b, c)).float()
        return out

    def render(self, points: Tensor, before: Tensor | None = None) -> Tensor:
        """Grid points [B, C, H, W, digits] to patches [B, C, H, W, F*P*P*3].

        `before` holds the grid points [B, H, W, digits] of the chunk just before the first, or None at the start of a
        film.
        """
        b, c, h, w, _ = points.shape
        first = torch.zeros_like(points[:, 0]) if before is None else before
        shifted = torch.cat([first[:, None], points[:, :-1]], 1)
        known = torch.ones(b, c, h, w, 1, dtype=points.dtype, device=points.device)
        if before is None:
            known[:, 0] = 0
        x = self.expand(torch.cat([points, shifted, known], -1).flatten(0, 1))
        for block in self.decoder:
            x = block(x)
        out: Tensor = self.leave(self.norm(x)).unflatten(0, (b, c)).float()
        return out

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [B, T, H*P, W*P, 3], T a multiple of F, to codes int64 [B, C, H, W]."""
        return self.fsq.encode(self.latents(pixels))

    @torch.no_grad()
    def decode(self, codes: Tensor, before: Tensor | None = None) -> Tensor:
        """Codes [B, C, H, W] to pixels uint8 [B, T, H*P, W*P, 3]; `before` are the codes [B, H, W] of the chunk
        before."""
        last = None if before is None else self.fsq.decode(before)
        return self.pixels(self.render(self.fsq.decode(codes), last)).round().clamp(0, 255).to(torch.uint8)

    @torch.no_grad()
    def encode_still(self, picture: Tensor) -> Tensor:
        """A picture uint8 [B, H*P, W*P, 3], shown for one chunk, to codes int64 [B, H, W]."""
        return self.encode(picture[:, None].expand(-1, self.config.frames, -1, -1, -1))[:, 0]
