"""A film that was taken up again is the undisturbed one in every byte of its MP4, whichever engine took it up."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from model.checkpoint import load
from model.clip import Clip, Mode, Size
from model.engine import Task
from model.engines.kinds import EngineKind, engine
from model.engines.vllm_stepper import VllmSettings
from model.generate import Codes, Generator, joined
from model.make import Maker, Ready, Renderer
from model.media import write_film

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # vLLM and what it imports warn of their own
CLIP = Clip(prompt="a red circle bounces up and down", mode=Mode.T2V, size=Size(64, 64), seconds=2, seed=3)
KINDS = [
    EngineKind.TORCH,
    pytest.param(
        EngineKind.VLLM,
        marks=pytest.mark.skipif(
            importlib.util.find_spec("vllm") is None, reason="vLLM is not installed; see make setup-engine"
        ),
    ),
]


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker(Generator(load("pony")))


def taken_up(kind: EngineKind, ready: Ready, done: Codes) -> Codes:
    """The film as an engine makes it that is given its first chunks."""

    async def work() -> Codes:
        inside, codes = engine(kind, "pony", VllmSettings(weights="", threads="nobind")), done
        try:
            async for chunk in inside.submit(Task(job="again", order=ready.order, done=done)):
                codes = joined(codes, chunk.codes)
            return codes
        finally:
            await inside.close()

    return asyncio.run(work())


def mp4(maker: Maker, ready: Ready, parts: list[Codes], path: Path) -> bytes:
    """The file of a film that is rendered in these parts."""
    renderer = Renderer(maker.model)
    for part in parts:
        renderer.add(part)
    write_film(maker.finish(ready, *renderer.all()), path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_film_that_was_taken_up_again_has_the_bytes_of_the_undisturbed_one(maker, tmp_path, kind):
    ready = maker.ready(CLIP)
    whole = maker.generator.films([ready.order])[0]

    again = taken_up(kind, ready, whole[:2])

    calm = mp4(maker, ready, [whole[n : n + 1] for n in range(len(whole.audio))], tmp_path / "calm.mp4")
    assert mp4(maker, ready, [again[:2], again[2:]], tmp_path / "again.mp4") == calm
