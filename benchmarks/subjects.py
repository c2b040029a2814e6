"""What is measured: the pony with the weights that we ship, or the horse with weights from chance.

What a film costs depends on sizes and not on what the weights have learnt, so the horse is timed before it is trained.
Its films have the horse's own transformer and codes, and a picture that is small enough to be waited for: slot by slot,
a second of 1280x720 has 10,896 steps. `foal` is the horse with a transformer that a processor can run; it is there to
try the same paths, and its figures say nothing of the horse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.films import SECONDS
from benchmarks.hardware import Numbers, check
from benchmarks.names import Name
from model import chance
from model.checkpoint import Model, config_json, load, place
from model.cli import read_size
from model.clip import Size
from model.codec.audio import AudioCodec
from model.codec.video import VideoCodec
from model.config import HORSE, ModelConfig
from model.engines.vllm_stepper import VllmSettings
from model.errors import BadRequest, Refused
from model.generate import Pace
from model.plan import shape_of

FILMS: Final = 32  # most at once
SMALL: Final = Size(256, 144)  # of the horse's film when nothing else is said
TINY: Final = Size(64, 48)  # of the foal's
CACHE: Final = 256 * 2**20  # bytes of keys and values, at least


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One model, and what another engine must know to run the very same."""

    model: Model
    folder: Path  # a checkpoint, or a configuration alone
    from_chance: bool
    numbers: Numbers
    device: str

    @property
    def exact(self) -> bool:
        """Whether every engine must give the same codes. A GPU's products round by the number of rows, and 16 bits by
        the order of whatever is added."""
        return self.device == "cpu" and self.numbers is Numbers.FLOAT32

    def settings(self, pace: Pace, **others: int | bool | str | None) -> VllmSettings:
        """For vLLM, with room for every film at once and for the longest one that its scheduler could be given."""
        settings = VllmSettings(
            weights=str(self.folder), chance=self.from_chance, dtype=self.numbers.value, films=FILMS,
            pace=pace, prefix_cache=False, cache_bytes=self._cache(),
        )  # fmt: skip
        return replace(settings, **others)  # type: ignore[arg-type]  # fields of several types

    def _cache(self) -> int:
        if not self.from_chance:
            return CACHE
        from model.vllm_plugin.checkpoint import most_slots

        config, films = self.model.config, 1 + FILMS // 2  # a film of text has less than half of the longest window
        return max(CACHE, films * most_slots(config) * shape_of(config, self.numbers.bytes).kv_bytes_per_slot)


def subject(name: Name, device: str, numbers: Numbers | None, sizes: Sequence[Size], folder: Path) -> Subject:
    """The subject of that name; `folder` is an empty one for its configuration.

    The pony computes in float32 if nothing is said, as every engine then gives the same codes; the horse in bfloat16,
    as it is served. Raises BadDevice, and BadRequest for a size that the model cannot make.
    """
    check(device)
    kept = numbers or (Numbers.BFLOAT16 if name is Name.HORSE else Numbers.FLOAT32)
    if name is Name.PONY:
        if sizes or kept is not Numbers.FLOAT32:
            raise BadRequest("The pony is measured at 64x64 in float32. Leave --size and --numbers out, or use horse.")
        return Subject(model=load("pony", device), folder=place("pony"), from_chance=False, numbers=kept, device=device)
    config = cut(HORSE, *(sizes or (SMALL,))) if name is Name.HORSE else foal(*(sizes or (TINY,)))
    (folder / "config.json").write_text(config_json(config), "utf-8")
    model = drawn(config, device, kept)
    return Subject(model=model, folder=folder, from_chance=True, numbers=kept, device=device)


def read_subject(name: Name, device: str, numbers: Numbers | None, sizes: Sequence[str], folder: Path) -> Subject:
    """`subject` of what was typed; what is wrong with it ends the program with one sentence."""
    try:
        return subject(name, device, numbers, tuple(map(read_size, sizes)), folder)
    except Refused as error:
        raise SystemExit(str(error)) from error


def cut(config: ModelConfig, *sizes: Size) -> ModelConfig:
    """The same transformer and codes for films of some sizes and of a few seconds, so that nothing longer is provided
    for. Raises BadRequest for a size that is no whole number of patches, or beyond the grid."""
    patch, most = config.video.patch, config.video.patch * config.trunk.grid
    for size in sizes:
        if any(side % patch or not patch <= side <= most for side in (size.width, size.height)):
            raise BadRequest(
                f"{size} is no size of the {config.name}. Use multiples of {patch} from {patch} to {most}."
            )
    chunks = -(-SECONDS * config.video.fps // config.video.frames)
    return replace(config, sizes=sizes, window=chunks, overlap=1, most_references=0)


def foal(*sizes: Size) -> ModelConfig:
    """The horse with two thin layers."""
    thin = replace(HORSE.trunk, layers=2, width=256, heads=4, kv_heads=2, head_dim=64, ffn=512, code_width=64)
    return cut(replace(HORSE, name="foal", trunk=thin), *sizes)


def drawn(config: ModelConfig, device: str, numbers: Numbers) -> Model:
    """A model whose transformer has weights from chance. Its codecs have none: films of text are decoded to codes
    without them."""
    with torch.device("meta"):
        video, audio = VideoCodec(config.video), AudioCodec(config.audio)
    trunk = chance.trunk(config, torch.device(device), numbers.torch)
    return Model(config, load("pony").tokenizer, video, audio, trunk, "from chance")
