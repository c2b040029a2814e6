"""The transformer. Three things are unusual about it:

* A row that is decoded embeds the codes of its slot's parents and never its own code, so a whole wave can be computed
  at once under ordinary causal attention. A row of the prompt embeds its own token. `begin` has no row: its place in
  the sequence computes the first decoded slot, so row r of S-1 is position r, and position i >= begin computes slot
  i+1.
* Positions have three axes, on a clock that picture and sound share (model/layout.py).
* Every matrix is one that tensor-parallel layers can shard: merged QKV, merged gate and up, row-parallel down, a
  table and a head split by vocabulary. There are no biases.

Shapes: B batch, R rows, D width, N heads, K key-value heads, H head dimension, V vocabulary, S slots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from model.codec.fsq import FSQ
from model.config import ModelConfig, TrunkConfig
from model.layout import NONE, Kind, Layout
from model.packed import Packed
from model.vocabulary import Vocabulary

ROLES = 5  # own | left | above | before | source
WHOLE = 512  # most rows whose attention is learnt through one whole matrix on the CPU


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What the trunk must know of a layout, row by row; `gather` holds slots, -1 where a role is empty."""

    gather: Tensor  # int64 [R, 5] slot whose token each role embeds
    kind: Tensor  # int64 [R]
    place: Tensor  # int64 [R, 3] row, column and tick within the chunk, each counted from 1, or 0 where there is none
    mark: Tensor  # int64 [R] control token that is added to a reference's slots, or -1
    clock: Tensor  # float32 [R, 3] t, y, x
    slot: Tensor  # int64 [R] the slot whose logits this row computes, or the prompt slot that it embeds

    def __getitem__(self, part: slice) -> Rows:
        """Some of the rows, in order."""
        return Rows(*(column[part] for column in self._columns()))

    def to(self, device: torch.device) -> Rows:
        """The same rows on a device."""
        return Rows(*(column.to(device) for column in self._columns()))

    def _columns(self) -> tuple[Tensor, ...]:
        return self.gather, self.kind, self.place, self.mark, self.clock, self.slot


def rows(layout: Layout, vocabulary: Vocabulary) -> Rows:
    """The rows of a layout, in order."""
    slot = np.delete(np.arange(layout.slots), layout.begin)
    decoded = slot > layout.begin
    gather = np.full((len(slot), ROLES), NONE, np.int64)
    gather[~decoded, 0] = slot[~decoded]
    gather[decoded, 1:] = layout.parents[slot[decoded]]
    kind = layout.kind[slot].astype(np.int64)
    heard = (kind == Kind.AUDIO) | (kind == Kind.SOURCE_AUDIO)
    y, x, t = layout.y[slot], layout.x[slot], layout.index[slot]
    place = np.stack([np.maximum(y, -1) + 1, np.maximum(x, -1) + 1, np.where(heard, t + 1, 0)], 1)
    k = layout.reference[slot].astype(np.int64)
    mark = np.where(kind == Kind.REFERENCE, vocabulary.reference(1) - 1 + k, NONE)
    clock = np.stack([layout.t[slot], y, x], 1).astype(np.float32)
    return Rows(*map(torch.from_numpy, (gather, kind, place.astype(np.int64), mark.astype(np.int64), clock, slot)))


def speeds(head_dim: int) -> tuple[Tensor, Tensor]:
    """What each of the H/2 pairs turns with, and how fast: axis int64 [H/2] and radians a unit float32 [H/2].

    Half of the pairs turn with t, a quarter each with y and x.
    """
    pairs = head_dim // 2
    axis, speed = [], []
    for number, count, base in ((0, pairs // 2, 2_000.0), (1, pairs // 4, 64.0), (2, pairs // 4, 64.0)):
        axis.append(torch.full((count,), number))
        speed.append(base ** (-torch.arange(count, dtype=torch.float32) / count))
    return torch.cat(axis), torch.cat(speed)


def rope(clock: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [R, H/2] of three-axis rotary positions.

    Source: Su et al., "RoFormer", 2021; several axes as in Qwen2-VL, 2024.
    """
    axis, speed = speeds(head_dim)
    turned = clock.cpu()[:, axis] * speed
    return turned.cos().to(clock.device), turned.sin().to(clock.device)


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates the pairs (i, i + H/2) of [..., R, H]."""
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang and Sennrich, 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return fn.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), 1e-6)


class Cache:
    """Keys and values of the rows so far: one contiguous block a layer, for the reference generator.

    On the CPU attention is summed in float64: its kernels add up in another order for each number of rows, and so
    rounding cannot tell a wave from its slots.
    """

    def __init__(self, config: TrunkConfig, batch: int, most: int, device: torch.device, dtype: torch.dtype) -> None:
        if device.type == "cpu" and dtype == torch.float32:
            dtype = torch.float64
        shape = (config.layers, 2, batch, config.kv_heads, most, config.head_dim)
        self.blocks = torch.zeros(shape, device=device, dtype=dtype)
        self.rows = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Adds [B, K, R, H] behind the rows so far, and returns all of them."""
        end = self.rows + k.shape[2]
        self.blocks[layer, 0, :, :, self.rows : end] = k
        self.blocks[layer, 1, :, :, self.rows : end] = v
        return self.blocks[layer, 0, :, :, :end], self.blocks[layer, 1, :, :, :end]


def _whole(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention [B, N, R, H] that keeps its weights [R, R] for the way back: a quarter less of a training step
    on the CPU, whose fused kernel is slow backwards."""
    b, n, r, h = q.shape
    mask = torch.full((r, r), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    scores = torch.baddbmm(mask, q.reshape(-1, r, h), k.reshape(-1, r, h).transpose(1, 2), alpha=h**-0.5)
    return torch.bmm(scores.softmax(-1), v.reshape(-1, r, h)).view(b, n, r, h)


class Linear(nn.Linear):
    """A matrix without a bias."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(inner, outer, bias=False)
        self.packed = Packed()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name it has in torch)
        return self.packed(input, self.weight)


class Attention(nn.Module):
    """Causal attention with grouped key-value heads and normalised queries and keys."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        merged = (config.heads + 2 * config.kv_heads) * config.head_dim
        self.qkv = Linear(config.width, merged)
        self.out = Linear(config.heads * config.head_dim, config.width)
        self.q_norm = RMSNorm(config.head_dim)
        self.k_norm = RMSNorm(config.head_dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, layer: int, cache: Cache | None) -> Tensor:
        """[B, R, D] to the same shape."""
        b, r, _ = x.shape
        parts = [self.heads * self.head_dim, self.kv_heads * self.head_dim, self.kv_heads * self.head_dim]
        q, k, v = (p.view(b, r, -1, self.head_dim).transpose(1, 2) for p in self.qkv(x).split(parts, -1))
        q, k = turn(self.q_norm(q), cos, sin), turn(self.k_norm(k), cos, sin)
        v = v.to(q.dtype)
        y = self._whole(q, k, v) if cache is None else self._on(q, *cache.extend(layer, k, v))
        out: Tensor = self.out(y.to(q.dtype).transpose(1, 2).reshape(b, r, -1))
        return out

    def _whole(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of a whole sequence [B, N, R, H] to itself."""
        if self.heads != self.kv_heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, 1)
            v = v.repeat_interleave(self.heads // self.kv_heads, 1)
        if q.requires_grad and q.device.type == "cpu" and q.shape[2] <= WHOLE:
            return _whole(q, k, v)
        return fn.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)

    def _on(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of the last rows [B, N, R, H] to all rows so far [B, K, S, H]. Heads that share a key-value head
        are rows of it, so that the cache is read where it lies."""
        b, n, r, h = q.shape
        mask = None
        if r > 1:
            mask = torch.ones(r, k.shape[2], dtype=torch.bool, device=q.device).tril(k.shape[2] - r)
            mask = mask.repeat(n // self.kv_heads, 1)
        y = fn.scaled_dot_product_attention(q.to(k.dtype).reshape(b, self.kv_heads, -1, h), k, v, attn_mask=mask)
        return y.reshape(b, n, r, h)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer, 2020)."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.gate_up = Linear(config.width, 2 * config.ffn)
        self.down = Linear(config.ffn, config.width)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        out: Tensor = self.down(fn.silu(gate) * up)
        return out


class Layer(nn.Module):
    """One residual layer."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = Attention(config)
        self.feed_norm = RMSNorm(config.width)
        self.feed = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, layer: int, cache: Cache | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, layer, cache)
        out: Tensor = x + self.feed(self.feed_norm(x))
        return out


class Trunk(nn.Module):
    """Tokens and a layout to logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config.trunk
        self.vocabulary = Vocabulary(config)
        c = config.trunk
        self.table = nn.Embedding(self.vocabulary.size_in_all, c.code_width)
        self.join = Linear(ROLES * c.code_width, c.width)
        self.kinds = nn.Embedding(len(Kind), c.width)
        self.places = nn.Embedding(2 * (c.grid + 1) + config.audio_codes + 1, c.width)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.width)
        self.head = Linear(c.width, self.vocabulary.size_in_all)
        self.heads = {kind: Packed() for kind in (Kind.VIDEO, Kind.AUDIO)}

    def begin(self, config: ModelConfig, generator: torch.Generator) -> None:
        """Draws the first weights. Codes that are near each other on the quantiser's grid begin near each other."""
        depth = math.sqrt(2 * self.config.layers)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                std = 0.5 / math.sqrt(p.shape[1]) if p.shape[0] != len(Kind) else 0.02
                nn.init.normal_(p, 0.0, std / depth if name.endswith(("out.weight", "down.weight")) else std, generator)
        v = self.vocabulary
        with torch.no_grad():
            nn.init.normal_(self.table.weight, 0.0, 1.0, generator)
            nn.init.normal_(self.places.weight, 0.0, 0.1, generator)
            nn.init.normal_(self.kinds.weight, 0.0, 0.1, generator)
            nn.init.normal_(self.head.weight, 0.0, 0.02, generator)
            for start, levels in ((v.video, config.video.levels), (v.audio, config.audio.levels)):
                fsq = FSQ(levels)
                points = fsq.decode(torch.arange(fsq.codes))
                waves = torch.cat(
                    [torch.sin(points * k * math.pi / 2) for k in (1, 2)] + [torch.cos(points * math.pi)], -1
                )
                for weight, scale in ((self.table.weight, 0.8), (self.head.weight, 0.016)):
                    plan = torch.randn(waves.shape[1], weight.shape[1], generator=generator) / math.sqrt(waves.shape[1])
                    block = weight[start : start + fsq.codes]
                    block.mul_(0.6).add_(waves @ plan, alpha=scale)

    def embed(self, tokens: Tensor, rows: Rows) -> Tensor:
        """Tokens [B, S] and the rows wanted of them to inputs [B, R, D]."""
        known = rows.gather >= 0
        ids = tokens[:, rows.gather.clamp(min=0)]
        parents = self.table(ids) * known[..., None].to(self.table.weight.dtype)
        own, rest = parents[:, :, :1], parents[:, :, 1:]
        marked = self.table(rows.mark.clamp(min=0)) * (rows.mark >= 0)[:, None].to(self.table.weight.dtype)
        joined = self.join(torch.cat([own + marked[:, None], rest], 2).flatten(2))
        grid = self.config.grid + 1
        y, x, tick = rows.place.unbind(1)
        places = self.places(y) + self.places(x + grid) + self.places(tick + 2 * grid)
        out: Tensor = joined + self.kinds(rows.kind) + places
        return out

    def forward(self, tokens: Tensor, rows: Rows, cache: Cache | None = None) -> Tensor:
        """Tokens [B, S] to the normalised last states [B, R, D] of the given rows, which follow the cache's."""
        cos, sin = rope(rows.clock, self.config.head_dim)
        x = self.embed(tokens, rows)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, i, cache)
        if cache is not None:
            cache.rows += len(rows.slot)
        out: Tensor = self.norm(x)
        return out

    def logits(self, states: Tensor, kind: Kind) -> Tensor:
        """States [..., D] to logits over the codes of VIDEO or AUDIO alone: the layout's mask is a slice."""
        v, c = self.vocabulary, self.vocabulary.config
        start, count = (v.video, c.video.codes) if kind == Kind.VIDEO else (v.audio, c.audio.codes)
        return self.heads[kind](states, self.head.weight[start : start + count])
