"""A checkpoint is a folder: config.json, tokenizer.json, weights as safetensors, a model card and SHA256SUMS.

Every file but the card is read once and checked against SHA256SUMS before a byte of it is used, so what was checked is
what is loaded. Weights are read from safetensors only, so a checkpoint can hold numbers but no code.
`sha256sum -c SHA256SUMS` makes the same check.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_in
from safetensors.torch import save_file
from torch import nn

from model.clip import Size
from model.codec.audio import AudioCodec, AudioCodecConfig
from model.codec.video import VideoCodec, VideoCodecConfig
from model.config import ModelConfig, TrunkConfig
from model.errors import BadWeights
from model.tokens import Tokenizer
from model.trunk import Trunk

WEIGHTS: Final = Path(__file__).parent / "weights"
PARTS: Final = ("trunk", "video", "audio")
SUMS: Final = "SHA256SUMS"
CHECKED: Final = ("config.json", "tokenizer.json", *(f"{part}.safetensors" for part in PARTS))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A whole generator, ready to use."""

    config: ModelConfig
    tokenizer: Tokenizer
    video: VideoCodec
    audio: AudioCodec
    trunk: Trunk
    digest: str  # sha256 of SHA256SUMS: names these very weights

    @property
    def device(self) -> torch.device:
        return self.trunk.table.weight.device

    def to(self, device: torch.device) -> Model:
        """The same model elsewhere."""
        for part in (self.video, self.audio, self.trunk):
            part.to(device)
        return self


def config_json(config: ModelConfig) -> str:
    """A configuration as readable JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def config_from(text: str | bytes) -> ModelConfig:
    """The inverse of `config_json`; BadWeights when the text is anything else."""
    try:
        raw: dict[str, Any] = json.loads(text)
        for key in ("video", "audio"):
            raw[key] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw[key].items()}
        return ModelConfig(
            **raw
            | {
                "video": VideoCodecConfig(**raw["video"]),
                "audio": AudioCodecConfig(**raw["audio"]),
                "trunk": TrunkConfig(**raw["trunk"]),
                "sizes": tuple(Size(**size) for size in raw["sizes"]),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadWeights(
            f"config.json does not describe a model of this version: {error}. Install the package again."
        ) from error


def _sums(folder: Path) -> tuple[dict[str, str], str]:
    """Digests by the names of files, and the digest of the list itself."""
    try:
        body = (folder / SUMS).read_bytes()
        lines = body.decode("utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        return sums, hashlib.sha256(body).hexdigest()
    except FileNotFoundError as error:
        raise BadWeights(
            f"{folder} holds no {SUMS}. Install the package again, or train with `equerry model train`."
        ) from error
    except (OSError, ValueError) as error:
        raise BadWeights(f"{folder / SUMS} cannot be read: {error}. Install the package again.") from error


def verify(folder: Path) -> str:
    """Checks every file of a checkpoint and returns its digest; BadWeights names the first file that is wrong."""
    return _checked(folder)[1]


def _checked(folder: Path) -> tuple[dict[str, bytes], str]:
    """The files of a checkpoint, each as it was when it matched its sum, and the checkpoint's digest."""
    sums, digest = _sums(folder)
    bodies: dict[str, bytes] = {}
    for name in CHECKED:
        path = folder / name
        if name not in sums:
            raise BadWeights(f"{folder / SUMS} does not name {name}. Nothing was loaded.")
        try:
            bodies[name] = path.read_bytes()
        except OSError as error:
            raise BadWeights(f"{path} cannot be read: {error.strerror}. Nothing was loaded.") from error
        found = hashlib.sha256(bodies[name]).hexdigest()
        if found != sums[name]:
            raise BadWeights(
                f"{path} has sha256 {found[:12]}… where {sums[name][:12]}… was promised. "
                "Nothing was loaded; install the package again."
            )
    return bodies, digest


def place(name: str) -> Path:
    """The folder of a shipped name, or the folder named. Raises BadWeights when there is none."""
    folder = WEIGHTS / name if "/" not in name and (WEIGHTS / name).is_dir() else Path(name)
    if not folder.is_dir():
        have = ", ".join(sorted(p.name for p in WEIGHTS.iterdir() if p.is_dir())) if WEIGHTS.is_dir() else ""
        raise BadWeights(f"There are no weights called {name!r}. Shipped: {have or 'none'}; or name a folder.")
    return folder


def load(name: str = "pony", device: str = "cpu") -> Model:
    """The model of a shipped name or of a folder. Raises BadWeights for anything missing, altered or malformed."""
    folder = place(name)
    bodies, digest = _checked(folder)
    config = config_from(bodies["config.json"])
    try:
        video, audio, trunk = VideoCodec(config.video), AudioCodec(config.audio), Trunk(config)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise BadWeights(
            f"{folder / 'config.json'} describes no model that can be built: {error}. Install the package again."
        ) from error
    for part, network in zip(PARTS, (trunk, video, audio), strict=True):
        _fill(network, folder / f"{part}.safetensors", bodies[f"{part}.safetensors"])
    tokenizer = Tokenizer.read(bodies["tokenizer.json"], folder / "tokenizer.json")
    return Model(config, tokenizer, video, audio, trunk, digest).to(torch.device(device))


def _fill(network: nn.Module, path: Path, body: bytes) -> None:
    try:
        network.load_state_dict({k: v.float() for k, v in tensors_in(body).items()})
    except (SafetensorError, RuntimeError) as error:
        raise BadWeights(
            f"{path} does not hold the weights of this model: {str(error).splitlines()[0]}. Install the package again."
        ) from error
    network.eval().requires_grad_(False)


def save(model: Model, folder: Path, card: str) -> None:
    """Writes a checkpoint: weights in 16 bits, the sums last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config_json(model.config), "utf-8")
    (folder / "README.md").write_text(card, "utf-8")
    model.tokenizer.save(folder / "tokenizer.json")
    for part, network in zip(PARTS, (model.trunk, model.video, model.audio), strict=True):
        tensors = {k: v.detach().to(torch.float16).contiguous().cpu() for k, v in network.state_dict().items()}
        save_file(tensors, folder / f"{part}.safetensors", {"format": "pt"})  # one key: the order of two is not fixed
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in CHECKED]
    new = folder / f"{SUMS}.new"
    new.write_text("".join(lines), "utf-8")
    new.replace(folder / SUMS)
