"""One dial, two sizes: everything that differs between the pony and the horse.

`PONY` is the small checkpoint we train and ship; `HORSE` is the 15 B configuration of the same classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from model.clip import Size
from model.codec.audio import AudioCodecConfig
from model.codec.video import VideoCodecConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkConfig:
    """Sizes of the transformer."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    code_width: int  # of one parent's code embedding, before parents are summed into `width`
    text: int  # entries of the text vocabulary
    grid: int  # most latent rows or columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A whole model: codecs, trunk, and the sizes it makes natively."""

    name: str
    video: VideoCodecConfig
    audio: AudioCodecConfig
    trunk: TrunkConfig
    sizes: tuple[Size, ...]  # made without scaling
    reference_side: int  # pixels of a square reference picture
    window: int  # most chunks decoded at once; longer films are made by windows
    overlap: int  # chunks that a window shares with the one before
    most_seconds: int = 15
    most_references: int = 9

    @property
    def chunk_seconds(self) -> Fraction:
        """Length of one chunk."""
        return Fraction(self.video.frames, self.video.fps)

    @property
    def audio_codes(self) -> int:
        """Audio codes in one chunk; a whole number, so that sound and picture cannot drift apart."""
        samples = self.audio.rate * self.chunk_seconds
        codes = samples / self.audio.hop
        if codes.denominator != 1:
            raise ValueError(f"{self.name}: a chunk of {self.chunk_seconds} s is not a whole number of audio codes")
        return int(codes)


PONY: Final = ModelConfig(
    name="pony",
    video=VideoCodecConfig(
        frames=4, patch=8, levels=(7, 5, 5, 5, 5), width=192, encoder_kernels=(1, 1, 1), decoder_blocks=6, fps=8
    ),
    audio=AudioCodecConfig(
        rate=8_000,
        hop=250,
        levels=(8, 5, 5, 5),
        width=192,
        encoder_dilations=(1, 2, 4),
        decoder_dilations=(1, 2, 4, 8, 1, 2),
    ),
    trunk=TrunkConfig(
        layers=6, width=256, heads=8, kv_heads=4, head_dim=32, ffn=768, code_width=128, text=1152, grid=16
    ),
    sizes=(Size(64, 64), Size(80, 48), Size(48, 80)),
    reference_side=32,
    window=6,
    overlap=2,
)

HORSE: Final = ModelConfig(
    name="horse",
    video=VideoCodecConfig(
        frames=8,
        patch=16,
        levels=(8, 8, 8, 5, 5, 5),
        width=1024,
        encoder_kernels=(3, 1, 1, 1, 1, 1),
        decoder_blocks=12,
        fps=24,
    ),
    audio=AudioCodecConfig(
        rate=24_000,
        hop=250,
        levels=(8, 8, 8, 8, 4),
        width=1024,
        encoder_dilations=(1, 2, 4, 8),
        decoder_dilations=(1, 2, 4, 8, 16, 1, 2, 4),
    ),
    trunk=TrunkConfig(
        layers=40,
        width=5_120,
        heads=40,
        kv_heads=8,
        head_dim=128,
        ffn=18_432,
        code_width=1_024,
        text=16_384,
        grid=128,
    ),
    sizes=(Size(1280, 720), Size(720, 1280), Size(960, 960), Size(1920, 1088), Size(1088, 1920)),
    reference_side=512,
    window=45,
    overlap=3,
)

CONFIGS: Final = {config.name: config for config in (PONY, HORSE)}
