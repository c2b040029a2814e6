"""Studios come when the work in the store is worth more of them, and go when it is not."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.ray_cell import on_a_ray, on_ray, until
from tests.tiny import with_tiny_model

pytestmark = on_ray
SETTINGS = """
[sla]
on = false
"""
ENGINE = """[engine]
batch = 1
cpus = 0.5
replicas = 1
most_replicas = 2
scale_seconds = 20
idle_seconds = 5
"""  # two studios share a core, and a film of 12 s counts as about 4 s of work


def settled(folder: Path) -> None:
    with_tiny_model(folder, SETTINGS)
    file = folder / "cell.toml"
    file.write_text(file.read_text("utf-8").replace("[engine]\n", ENGINE), "utf-8")


def test_a_long_queue_brings_a_second_studio_and_an_empty_one_ends_it(tmp_path):
    with on_a_ray(tmp_path / "eu", settled) as cell:
        first = cell.pids("studio")
        videos = cell.ask(40)

        until(lambda: cell.running("studio") == 2, "no second studio came")
        seen = cell.pids("studio")
        ended = cell.ended(videos)
        until(lambda: cell.running("studio") == 1, "the second studio stayed")

        assert (len(first), len(seen)) == (1, 2)
        assert ended == ["completed"] * len(videos)
        assert cell.verified() == []
