"""The weights that are shipped: whole, small enough, and of the configuration that the code calls the pony."""

import pytest

from model.checkpoint import SUMS, WEIGHTS, config_from, verify
from model.config import PONY

FOLDER = WEIGHTS / "pony"
MOST = 40_000_000  # bytes in all


def test_the_shipped_weights_match_their_sums():
    assert len(verify(FOLDER)) == 64


def test_the_shipped_weights_are_of_the_pony():
    assert config_from((FOLDER / "config.json").read_text("utf-8")) == PONY


def test_the_shipped_weights_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "README.md", SUMS])
def test_the_shipped_folder_is_readable_text_and_safetensors_alone(name):
    assert (FOLDER / name).read_text("utf-8")
    assert {path.suffix for path in FOLDER.iterdir()} == {".json", ".md", ".safetensors", ""}
