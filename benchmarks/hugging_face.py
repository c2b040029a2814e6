"""The yardstick that everybody knows: Hugging Face's `generate`, with its own cache, on the same weights.

It draws one slot of each film a step, as any causal model does there, and gives the same codes: the layout's mask and
the draw of a slot are a logits processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, LogitsProcessorList, PretrainedConfig
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

from model.checkpoint import Model
from model.draws import Sampling, draw
from model.generate import Codes, Order, chances, take_codes
from model.layout import Kind, Layout, layout
from model.trunk import Rows, rows
from model.vocabulary import Vocabulary


class _Config(PretrainedConfig):  # type: ignore[misc]
    model_type = "equerry"


class _Cache:
    """Hugging Face's cache in the words of the trunk."""

    def __init__(self, cache: DynamicCache) -> None:
        self.cache = cache
        self.rows = cache.get_seq_length()

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Adds [B, K, R, H] behind the rows so far, and returns all of them."""
        found: tuple[Tensor, Tensor] = self.cache.update(k, v, layer)
        return found


class Wrapped(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The trunk for one layout at a time, as `generate` wants a model."""

    config_class = _Config
    main_input_name = "input_ids"

    def __init__(self, model: Model) -> None:
        trunk = model.trunk.config
        super().__init__(
            _Config(
                num_hidden_layers=trunk.layers,
                hidden_size=trunk.width,
                num_attention_heads=trunk.heads,
                num_key_value_heads=trunk.kv_heads,
                vocab_size=model.trunk.vocabulary.size_in_all,
            )
        )
        self.pony = model.trunk
        self.generation_config = GenerationConfig(do_sample=False, use_cache=True, pad_token_id=0, eos_token_id=None)
        self.table: Layout | None = None
        self.all_rows: Rows | None = None
        self.tokens = torch.zeros(0, 0, dtype=torch.int64)

    def begin(self, table: Layout, films: int) -> None:
        """Forgets the films before."""
        self.table, self.all_rows = table, rows(table, self.pony.vocabulary)
        place = self.pony.table.weight.device
        self.all_rows = self.all_rows.to(place)
        self.tokens = torch.zeros(films, table.slots, dtype=torch.int64, device=place)

    def forward(self, input_ids: Tensor, past_key_values: DynamicCache, **_: Any) -> CausalLMOutputWithPast:
        """Tokens [B, R] that follow the cache's, to logits [B, 1, V] of the slot behind them."""
        assert self.all_rows is not None
        assert self.table is not None
        start = past_key_values.get_seq_length()
        end = start + input_ids.shape[1]
        self.tokens[:, start:end] = input_ids
        states = self.pony(self.tokens, self.all_rows[start:end], _Cache(past_key_values))
        kind, v = Kind(int(self.table.kind[end])), self.pony.vocabulary
        known = self.pony.logits(states[:, -1:], kind)
        logits = torch.full((len(input_ids), 1, v.size_in_all), -torch.inf, device=known.device, dtype=known.dtype)
        logits[:, :, span(v, kind)] = known
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)


def span(vocabulary: Vocabulary, kind: Kind) -> slice:
    """Where the codes of VIDEO or AUDIO stand in the vocabulary."""
    v, c = vocabulary, vocabulary.config
    first, codes = (v.video, c.video.codes) if kind is Kind.VIDEO else (v.audio, c.audio.codes)
    return slice(first, first + codes)


class _Draw(LogitsProcessor):  # type: ignore[misc]
    """Leaves of each row only the code that chance has chosen."""

    def __init__(self, table: Layout, vocabulary: Vocabulary, chance: Tensor, sampling: Sampling) -> None:
        self.table, self.vocabulary, self.chance, self.sampling = table, vocabulary, chance, sampling

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] to the same shape."""
        slot = input_ids.shape[1]
        known = span(self.vocabulary, Kind(int(self.table.kind[slot])))
        codes = draw(scores[:, known], self.chance[:, slot], self.sampling)
        return torch.full_like(scores, -torch.inf).scatter(1, (codes + known.start)[:, None], 0.0)


@torch.inference_mode()
def generate(wrapped: Wrapped, orders: Sequence[Order], sampling: Sampling) -> list[Codes]:
    """The codes of films that share one layout of one window."""
    config, v = wrapped.pony.vocabulary.config, wrapped.pony.vocabulary
    table = layout(orders[0].prompt.spec(config, orders[0].chunks))
    wrapped.begin(table, len(orders))
    prompts = torch.stack([order.prompt.tokens(v, table)[: table.first] for order in orders]).to(wrapped.tokens.device)
    chance = torch.from_numpy(np.stack([chances(order.seed, table, 0) for order in orders])).to(prompts.device)
    found = wrapped.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        past_key_values=DynamicCache(),
        max_new_tokens=table.slots - table.first,
        logits_processor=LogitsProcessorList([_Draw(table, v, chance, sampling)]),
    )
    return take_codes(found, table, v, slice(0, orders[0].chunks))
