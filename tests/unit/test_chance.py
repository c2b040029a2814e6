"""Weights from chance: the same for everybody who asks, and never held twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.hardware import Numbers
from benchmarks.names import Name
from benchmarks.subjects import cut, foal, subject
from model import chance
from model.checkpoint import config_from
from model.clip import Size
from model.config import HORSE
from model.errors import BadRequest

CPU = torch.device("cpu")
THIN = foal(Size(64, 48))


def test_a_tensor_depends_on_its_name_alone():
    one = dict(chance.weights(THIN, CPU, torch.float32))
    short = dict(chance.weights(replace(THIN, trunk=replace(THIN.trunk, layers=1)), CPU, torch.float32))

    same = [name for name in short if not name.endswith(("out.weight", "down.weight"))]  # these are scaled by depth
    assert all(torch.equal(one[name], short[name]) for name in same)
    assert not torch.equal(one["layers.0.feed.gate_up.weight"], one["layers.1.feed.gate_up.weight"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_trunk_holds_them_in_the_numbers_asked_for(dtype):
    made = chance.trunk(THIN, CPU, dtype)

    assert {p.dtype for p in made.parameters()} == {dtype}
    wanted = dict(chance.weights(THIN, CPU, dtype))
    assert all(torch.equal(p, wanted[name]) for name, p in made.named_parameters())


def test_the_measured_horse_is_the_horse_but_for_what_its_films_need():
    small = cut(HORSE, Size(256, 144))

    assert (small.trunk, small.video, small.audio) == (HORSE.trunk, HORSE.video, HORSE.audio)
    assert (small.sizes, small.window) == ((Size(256, 144),), 9)


@pytest.mark.parametrize("size", [Size(250, 144), Size(256, 2064), Size(0, 16)], ids=str)
def test_a_size_that_is_no_whole_number_of_patches_is_refused(size):
    with pytest.raises(BadRequest, match="multiples of 16"):
        cut(HORSE, size)


def test_what_vllm_reads_is_the_configuration_of_the_model_that_is_measured(tmp_path):
    made = subject(Name.FOAL, "cpu", None, (), tmp_path)

    assert config_from((tmp_path / "config.json").read_bytes()) == made.model.config
    assert (made.from_chance, made.numbers) == (True, Numbers.FLOAT32)
    assert sorted(json.loads((tmp_path / "config.json").read_text())["sizes"][0].values()) == [48, 64]


def test_the_pony_is_measured_as_it_is_shipped(tmp_path):
    with pytest.raises(BadRequest, match="64x64 in float32"):
        subject(Name.PONY, "cpu", Numbers.BFLOAT16, (), tmp_path)
