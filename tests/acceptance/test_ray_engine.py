"""vLLM in two ranks, inside a studio of Ray's: a film is made, and an engine that dies is made anew."""

from __future__ import annotations

import importlib.util
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.ray_cell import RayCell, below, on_a_ray, on_ray, processes
from tests.acceptance.test_cell import submit
from tests.tiny import TINY, with_tiny_model

pytestmark = [
    *on_ray,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed; see make setup-engine"),
]
#: vLLM's attention on CPU wants heads of 32, and each rank one of its own.
SMALL = replace(TINY, name="small", trunk=replace(TINY.trunk, width=64, heads=2, kv_heads=2, head_dim=32, ffn=64))
SETTINGS = """
[sla]
on = false

[jobs]
lease = 120
heartbeat = 20
"""
ENGINE = """[engine]
kind = "vllm"
tensor_parallel = 2
kv_memory = 64
cpus = 0.5
"""


def settled(folder: Path) -> None:
    with_tiny_model(folder, SETTINGS, SMALL)
    file = folder / "cell.toml"
    file.write_text(file.read_text("utf-8").replace("[engine]\n", ENGINE), "utf-8")


def ranks(cell: RayCell) -> list[int]:
    """The processes of the studio's engine that hold the model."""
    (studio,) = cell.pids("studio")
    return sorted(below(studio).intersection(processes("VLLM::Worker_TP")))


def test_an_engine_that_loses_a_rank_is_made_anew_and_its_films_are_made(tmp_path):
    with on_a_ray(tmp_path / "eu", settled) as cell:
        before = ranks(cell)
        assert cell.finished(submit(cell), 600)["status"] == "completed"
        videos = cell.ask(4)
        cell.begun(videos)

        os.kill(before[0], signal.SIGKILL)

        assert cell.ended(videos) == ["completed"] * len(videos)
        after = ranks(cell)
        assert (len(before), len(after)) == (2, 2)
        assert set(after).isdisjoint(before)
        assert cell.verified() == []
