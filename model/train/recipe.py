"""The whole recipe, from nothing to a checkpoint: tokenizer, audio codec, video codec, trunk, card.

Every stage keeps its state in a folder of its own and is skipped or taken up where it stopped when the recipe is run
again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from model.checkpoint import Model, save
from model.codec.audio import AudioCodec
from model.codec.video import VideoCodec
from model.config import ModelConfig
from model.errors import Refused
from model.tokens import Tokenizer, corpus, train_tokenizer
from model.train import codecs, films
from model.train.card import card
from model.train.run import Plan, Run, Step
from model.trunk import Trunk

BY_ADAM: Final = ("trunk.head", "trunk.table", "names")
TABLES: Final = ("trunk.table.parametrizations.weight.original", "trunk.kinds", "trunk.places")
STAGES: Final = ("audio", "video", "trunk")
CAPTIONS: Final = 20_000  # that the tokenizer is made from

OnRow = Callable[[str, Plan, dict[str, float]], None]  # stage, its plan, a row of the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train, where, and for how long."""

    config: ModelConfig
    folder: Path
    device: str = "cpu"
    seed: int = 0
    scale: float = 1.0  # of the number of steps; a test trains with little
    start: Model | None = None  # a trained model: its tokenizer and codecs are kept, and its trunk learns on

    def plan(self, stage: str) -> Plan:
        """How long a stage learns."""
        trunk = films.PLAN if self.start is None else films.START
        plan = {"audio": codecs.AUDIO_PLAN, "video": codecs.VIDEO_PLAN, "trunk": trunk}[stage]
        return replace(plan, steps=max(1, round(plan.steps * self.scale)), seed=self.seed)


def train(recipe: Recipe, report: OnRow) -> Model:
    """Runs what is left of a recipe and returns the trained model; the caller may save it with `finish`."""
    _claim(recipe)
    torch.manual_seed(recipe.seed)
    first = recipe.start or _codecs(recipe, report)
    trunk = first.trunk.requires_grad_(True)
    trainer = films.Trainer(trunk).to(torch.device(recipe.device))
    studio = films.Studio(first.config, first.tokenizer, first.video, first.audio, trunk)
    _stage(recipe, "trunk", trainer, films.trunk_step(trainer, studio), report, BY_ADAM, TABLES)
    return replace(first, trunk=trainer.fold(), digest="")


def _codecs(recipe: Recipe, report: OnRow) -> Model:
    """Everything trained but the trunk, which has its first weights."""
    device = torch.device(recipe.device)
    tokenizer = _tokenizer(recipe)
    audio, video = AudioCodec(recipe.config.audio).to(device), VideoCodec(recipe.config.video).to(device)
    _stage(recipe, "audio", audio, codecs.audio_step(audio, device), report, by_adam=("",))
    _stage(recipe, "video", video, codecs.video_step(video, device), report)
    trunk = Trunk(recipe.config)
    trunk.begin(recipe.config, torch.Generator().manual_seed(recipe.seed))
    return Model(recipe.config, tokenizer, video, audio, trunk, "")


def finish(recipe: Recipe, model: Model, folder: Path, results: str = "") -> None:
    """Writes the checkpoint and its card."""
    lines = {stage: _last(recipe.folder / stage / "log.jsonl") for stage in STAGES}
    save(model, folder, card(model, recipe.seed, lines, results, recipe.start.digest if recipe.start else None))


def _claim(recipe: Recipe) -> None:
    """Notes in the folder what is trained there; Refused when it is something else than before."""
    path = recipe.folder / "recipe.json"
    ours: dict[str, float | str] = {"seed": recipe.seed, "scale": recipe.scale}
    if recipe.start is not None:
        ours["start"] = recipe.start.digest
    recipe.folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(ours) + "\n", "utf-8")
    elif (text := path.read_text("utf-8").strip()) != json.dumps(ours):
        raise Refused(f"{recipe.folder} holds a run of {text[:100]}. Go on with these, or use another folder.")


def _tokenizer(recipe: Recipe) -> Tokenizer:
    path = recipe.folder / "tokenizer.json"
    if not path.exists():
        new = path.with_suffix(".new")
        train_tokenizer(corpus(recipe.seed, CAPTIONS), recipe.config.trunk.text).save(new)
        new.replace(path)
    return Tokenizer.load(path)


def _stage(
    recipe: Recipe,
    name: str,
    network: nn.Module,
    step: Step,
    report: OnRow,
    by_adam: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
) -> None:
    """Trains one network to the end of its plan and leaves it with the running average of its parameters."""
    plan, folder = recipe.plan(name), recipe.folder / name
    done = folder / "averaged.safetensors"
    if not done.exists():
        run = Run(network, plan, folder, by_adam, tables)
        run.load()
        run.go(step, lambda row: report(name, plan, row))
        new = done.with_suffix(".new")
        save_file({k: v.contiguous().cpu() for k, v in run.averaged().items()}, new)
        new.replace(done)
    network.load_state_dict(load_file(done))
    network.eval().requires_grad_(False)


def _last(log: Path) -> dict[str, float]:
    try:
        row: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return {}
    return row
