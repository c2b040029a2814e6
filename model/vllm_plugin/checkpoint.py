"""How vLLM reads one of our checkpoints: the same folder, checked against the same sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.base_loader import BaseModelLoader
from vllm.transformers_utils.config import register_config_parser
from vllm.transformers_utils.config_parser_base import ConfigParserBase

from model.chance import weights
from model.checkpoint import config_from, config_json, load
from model.config import ModelConfig
from model.layout import LayoutSpec
from model.vllm_plugin import ARCHITECTURE, CHANCE, FORMAT
from model.vocabulary import CONTROLS, MOST_TEXT, Vocabulary


def most_slots(config: ModelConfig) -> int:
    """The longest sequence that a window can need."""
    side = config.reference_side // config.video.patch
    patch = config.video.patch
    return max(
        LayoutSpec(
            controls=CONTROLS,
            text=MOST_TEXT,
            height=size.height // patch,
            width=size.width // patch,
            chunks=config.window,
            audio=config.audio_codes,
            references=((side, side),) * config.most_references,
            image=True,
            source=True,
        ).slots
        for size in config.sizes
    )


def widest_wave(config: ModelConfig) -> int:
    """Most slots that one step can draw of a film."""
    patch = config.video.patch
    widths = []
    for size in config.sizes:
        height, width = size.height // patch, size.width // patch
        widths.append(min(height, width) + -(-config.audio_codes // (height + width - 1)))
    return max(widths)


class EquerryConfig(PretrainedConfig):
    """Our configuration in the words that vLLM looks for."""

    model_type = "equerry"

    def __init__(self, equerry: str = "", **kwargs: Any) -> None:
        self.equerry = equerry  # the whole of config.json
        if equerry:
            config = config_from(equerry)
            trunk = config.trunk
            self.hidden_size, self.intermediate_size = trunk.width, trunk.ffn
            self.num_hidden_layers, self.head_dim = trunk.layers, trunk.head_dim
            self.num_attention_heads, self.num_key_value_heads = trunk.heads, trunk.kv_heads
            self.vocab_size = Vocabulary(config).size_in_all
            self.max_position_embeddings = most_slots(config) + 2 * widest_wave(config)  # room for rows that are padded
        kwargs.setdefault("architectures", [ARCHITECTURE])
        super().__init__(**kwargs)

    @property
    def model(self) -> ModelConfig:
        """The configuration itself."""
        return config_from(self.equerry)


@register_config_parser(FORMAT)
class Parser(ConfigParserBase):
    """Reads config.json of a checkpoint."""

    def parse(self, model: str | Path, *_: object, **__: object) -> tuple[dict[str, Any], EquerryConfig]:
        """The configuration as a table and as a value; raises BadWeights."""
        config = config_from((Path(model) / "config.json").read_bytes())
        return json.loads(config_json(config)), EquerryConfig(config_json(config))


@register_model_loader(FORMAT)
class Loader(BaseModelLoader):
    """Fills a model from a checkpoint; every rank reads the whole and keeps its share."""

    def download_model(self, model_config: object) -> None:
        """Nothing is ever downloaded."""

    def load_weights(self, model: Any, model_config: Any) -> None:
        """Raises BadWeights for anything that the sums do not promise."""
        checked = load(str(model_config.model))
        model.load_weights(checked.trunk.state_dict().items())


@register_model_loader(CHANCE)
class Drawer(BaseModelLoader):
    """Fills a model from chance, tensor by tensor and where it stands, so that no memory holds it twice."""

    def download_model(self, model_config: object) -> None:
        """There is nothing to download."""

    def load_weights(self, model: Any, model_config: Any) -> None:
        """The weights of `model.chance`, of which every rank keeps its share."""
        first = next(model.parameters())
        model.load_weights(weights(model_config.hf_config.model, first.device, first.dtype))
