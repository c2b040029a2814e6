"""What several tests share: a checkpoint that has learnt nothing, and the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from model.checkpoint import Model, save
from model.codec.audio import AudioCodec
from model.codec.video import VideoCodec
from model.config import PONY
from model.tokens import corpus, train_tokenizer
from model.trunk import Trunk

# How long an example takes is no promise here: machines are shared, and a test is never about its own time. A run that
# decides about a change tries the same examples each time; everybody else's runs look for new ones.
settings.register_profile(
    "house", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


@dataclass(frozen=True, slots=True)
class Left:
    """How a command ended, and what it wrote."""

    code: int | str | None
    out: str
    err: str


Command = Callable[..., Left]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> Path:
    """A folder that holds a whole checkpoint of the pony's sizes, with weights drawn from chance."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk, video, audio = Trunk(PONY), VideoCodec(PONY.video), AudioCodec(PONY.audio)
    trunk.begin(PONY, torch.Generator().manual_seed(0))
    folder = Path(tmp_path_factory.mktemp("weights")) / "pony"
    save(Model(PONY, train_tokenizer(corpus(0, 500), PONY.trunk.text), video, audio, trunk, ""), folder, "# pony\n")
    return folder


@pytest.fixture
def equerry_model(capfd) -> Command:
    """Runs `equerry model …` in this process."""
    from equerry import main

    def run(*arguments: object) -> Left:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["model", *map(str, arguments)])
        return Left(left.value.code, *capfd.readouterr())

    return run
