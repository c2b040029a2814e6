"""The trunk of model/trunk.py out of vLLM's parallel layers, with its attention paged.

It has the standard shape of a vLLM model, but reads neither token ids nor positions: whatever a row is made of lies in
its inbox, which the adapter fills before each step. The kind of each row travels to `compute_logits` as one more column
of the states, so that a row has logits over the codes of its kind alone.

Norms are the reference's own: they hold nothing that ranks share, cost what vLLM's cost, and round as the reference.

Shapes: T rows of a step, D width, N heads, K key-value heads, H head dimension, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from vllm.compilation.decorators import support_torch_compile
from vllm.config import VllmConfig
from vllm.distributed import get_tensor_model_parallel_world_size
from vllm.model_executor.layers.activation import SiluAndMul
from vllm.model_executor.layers.attention import Attention as PagedAttention
from vllm.model_executor.layers.linear import (
    MergedColumnParallelLinear,
    QKVParallelLinear,
    ReplicatedLinear,
    RowParallelLinear,
)
from vllm.model_executor.layers.logits_processor import LogitsProcessor
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, VocabParallelEmbedding
from vllm.model_executor.model_loader.weight_utils import default_weight_loader

from model.config import ModelConfig, TrunkConfig
from model.layout import Kind
from model.trunk import ROLES, RMSNorm, speeds, turn
from model.vllm_plugin.inbox import CLOCK, COLUMNS, IDS, KIND, MARK, PLACES
from model.vocabulary import Vocabulary


class Turns(nn.Module):
    """Cosines and sines of three-axis rotary positions, as `model.trunk.rope`, wherever the inbox is."""

    axis: Tensor  # int64 [H/2] what each pair turns with
    speed: Tensor  # float32 [H/2]

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        axis, speed = speeds(head_dim)
        self.register_buffer("axis", axis, persistent=False)
        self.register_buffer("speed", speed, persistent=False)

    def forward(self, clock: Tensor) -> tuple[Tensor, Tensor]:
        """Clock [T, 3] to two of [T, 1, H/2]."""
        angles = (clock.float()[:, self.axis] * self.speed)[:, None]
        return angles.cos(), angles.sin()


class Attention(nn.Module):
    """Causal attention over pages of keys and values."""

    def __init__(self, config: TrunkConfig, vllm_config: VllmConfig, prefix: str) -> None:
        super().__init__()
        ranks = get_tensor_model_parallel_world_size()
        heads, kv_heads, self.head_dim = config.heads // ranks, max(1, config.kv_heads // ranks), config.head_dim
        self.parts = [heads * self.head_dim, kv_heads * self.head_dim, kv_heads * self.head_dim]
        self.qkv = QKVParallelLinear(
            config.width, self.head_dim, config.heads, config.kv_heads, bias=False, prefix=f"{prefix}.qkv"
        )
        self.out = RowParallelLinear(config.heads * self.head_dim, config.width, bias=False, prefix=f"{prefix}.out")
        self.q_norm, self.k_norm = RMSNorm(self.head_dim), RMSNorm(self.head_dim)
        self.pages = PagedAttention(
            heads,
            self.head_dim,
            self.head_dim**-0.5,
            num_kv_heads=kv_heads,
            cache_config=vllm_config.cache_config,
            prefix=f"{prefix}.pages",
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[T, D] to the same shape; `cos` and `sin` are [T, 1, H/2]."""
        q, k, v = self.qkv(x)[0].split(self.parts, -1)
        q = turn(self.q_norm(q.unflatten(-1, (-1, self.head_dim))), cos, sin).flatten(-2)
        k = turn(self.k_norm(k.unflatten(-1, (-1, self.head_dim))), cos, sin).flatten(-2)
        out: Tensor = self.out(self.pages(q, k, v.contiguous()))[0]
        return out


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, config: TrunkConfig, prefix: str) -> None:
        super().__init__()
        self.gate_up = MergedColumnParallelLinear(
            config.width, [config.ffn, config.ffn], bias=False, prefix=f"{prefix}.gate_up"
        )
        self.act = SiluAndMul()
        self.down = RowParallelLinear(config.ffn, config.width, bias=False, prefix=f"{prefix}.down")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(self.act(self.gate_up(x)[0]))[0]
        return out


class Layer(nn.Module):
    """One residual layer."""

    def __init__(self, config: TrunkConfig, vllm_config: VllmConfig, prefix: str) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = Attention(config, vllm_config, f"{prefix}.attention")
        self.feed_norm = RMSNorm(config.width)
        self.feed = FeedForward(config, f"{prefix}.feed")

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin)
        out: Tensor = x + self.feed(self.feed_norm(x))
        return out


@support_torch_compile(dynamic_arg_dims={"input_ids": 0, "positions": -1})
class EquerryTrunk(nn.Module):
    """What vLLM serves."""

    inbox: Tensor  # int32 [most rows of a step, COLUMNS], written by the adapter
    mask: Tensor  # [kinds, V] 0 where a kind has a code, else -inf

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:  # noqa: ARG002  vLLM's signature
        super().__init__()
        config: ModelConfig = vllm_config.model_config.hf_config.model
        c, v = config.trunk, Vocabulary(config)
        self.turns = Turns(c.head_dim)
        self.table = VocabParallelEmbedding(v.size_in_all, c.code_width, prefix="table")
        self.join = ReplicatedLinear(ROLES * c.code_width, c.width, bias=False, prefix="join")
        self.kinds = nn.Embedding(len(Kind), c.width)
        self.places = nn.Embedding(2 * (c.grid + 1) + config.audio_codes + 1, c.width)
        self.layers = nn.ModuleList(Layer(c, vllm_config, f"layers.{i}") for i in range(c.layers))
        self.norm = RMSNorm(c.width)
        self.head = ParallelLMHead(v.size_in_all, c.width, bias=False, prefix="head")
        self.logits = LogitsProcessor(v.size_in_all)
        most = vllm_config.scheduler_config.max_num_batched_tokens
        self.register_buffer("inbox", torch.zeros(most, COLUMNS, dtype=torch.int32), persistent=False)
        self.register_buffer("mask", masks(config), persistent=False)

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        """Token ids alone do not make an input here."""
        raise NotImplementedError("Rows are made of the inbox. Leave prompt embeddings off.")

    def embed(self, inbox: Tensor) -> Tensor:
        """Rows of the inbox to inputs [T, D]."""
        ids = inbox[:, : MARK + 1]
        codes = self.table(ids.clamp(min=0)) * (ids >= 0)[..., None]
        own = codes[:, :1] + codes[:, MARK:]
        joined = self.join(torch.cat([own, codes[:, 1:ROLES]], 1).flatten(1))[0]
        y, x, tick = inbox[:, PLACES].unbind(1)
        out: Tensor = joined + self.kinds(inbox[:, KIND]) + (self.places(y) + self.places(x) + self.places(tick))
        return out

    def forward(
        self,
        input_ids: Tensor | None,  # noqa: ARG002  vLLM's signature, here and below
        positions: Tensor,
        intermediate_tensors: object = None,  # noqa: ARG002
        inputs_embeds: Tensor | None = None,  # noqa: ARG002
        **_: object,
    ) -> Tensor:
        """States [T, D + 1] of the rows in the inbox, the last column being their kind."""
        inbox = self.inbox[: positions.shape[-1]]
        cos, sin = self.turns(inbox[:, CLOCK])
        x = self.embed(inbox)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return torch.cat([self.norm(x), inbox[:, KIND, None].to(x.dtype)], 1)

    def compute_logits(self, states: Tensor) -> Tensor | None:
        """States [T, D + 1] to logits [T, V]; what a row cannot be has -inf."""
        logits: Tensor | None = self.logits(self.head, states[:, :-1].contiguous())
        return None if logits is None else logits + self.mask[states[:, -1].long()].to(logits.dtype)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Takes the reference trunk's parameters, name by name; each rank keeps its share."""
        own = dict(self.named_parameters())
        for name, tensor in weights:
            loader: Any = getattr(own[name], "weight_loader", default_weight_loader)
            loader(own[name], tensor)
        return set(own)


def masks(config: ModelConfig) -> Tensor:
    """What a row of each kind can be: [kinds, V], 0 or -inf.

    Only rows of VIDEO and AUDIO are ever drawn. The others are left whole, since vLLM warms its own sampler up with
    rows of no kind, and a GPU's sampler need not end where nothing can be drawn.
    """
    v = Vocabulary(config)
    mask = torch.zeros(len(Kind), v.size_in_all)
    for kind, first, codes in ((Kind.VIDEO, v.video, config.video.codes), (Kind.AUDIO, v.audio, config.audio.codes)):
        mask[kind] = -torch.inf
        mask[kind, first : first + codes] = 0.0
    return mask


assert IDS.stop == MARK, "the mark is looked up together with the parents"
