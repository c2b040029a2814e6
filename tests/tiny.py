"""A checkpoint that makes noise in a moment: the smallest model of the real classes, with weights as they are drawn.

A cell loads it by its real setting, `engine.model`, so all of the engine's own work is done, only less of it: the
suites that are about jobs and wires, and not about pictures, take a minute where the pony takes an hour.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from model.checkpoint import Model, load, save
from model.clip import Size
from model.codec.audio import AudioCodec
from model.codec.video import VideoCodec
from model.config import PONY, ModelConfig
from model.trunk import Trunk

TINY = replace(
    PONY,
    name="tiny",
    video=replace(PONY.video, patch=32, width=16, encoder_kernels=(1,), decoder_blocks=1),
    audio=replace(PONY.audio, hop=1_000, width=16, encoder_dilations=(1,), decoder_dilations=(1,)),
    trunk=replace(PONY.trunk, layers=1, width=32, heads=2, kv_heads=1, head_dim=16, ffn=32, code_width=16),
    sizes=(Size(64, 64),),
)


def with_tiny_model(cell: Path, more: str = "", config: ModelConfig = TINY) -> None:
    """Changes a new cell's settings file: this model, and further sections."""
    file = cell / "cell.toml"
    named = f'model = "{tiny_model(cell / "tiny", config)}"'
    file.write_text(file.read_text("utf-8").replace('model = "pony"', named) + more, "utf-8")


def tiny_model(folder: Path, config: ModelConfig = TINY) -> Path:
    """Writes it, with the pony's own tokenizer; returns the folder."""
    torch.manual_seed(1)
    parts = VideoCodec(config.video), AudioCodec(config.audio), Trunk(config)
    save(Model(config, load().tokenizer, *parts, digest=""), folder, "Noise.\n")
    return folder
