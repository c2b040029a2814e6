"""A whole cell in this process whose engine, decoder or client does harm: one job ends, and nobody else notices."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

import serving.local
from model.checkpoint import load as load_model
from model.clip import Sound
from model.engines.loop import EngineLoop
from model.engines.stepper import Drawn
from model.engines.torch_stepper import TorchStepper
from model.engines.walk import Cut
from policies.tenants.cli import app as tenants
from serving.home import Site, make_home, own_key, today
from serving.local import LocalCell
from serving.media.marks.marking import FilmMarking
from serving.parts import build
from serving.settings_file import load
from serving.studio.marker import Delivery

pytestmark = pytest.mark.slow

POISON = 13  # a seed


class Poisoned(TorchStepper):
    """Plain torch, but for one film that ends badly whoever makes it; counts the films of each step."""

    def __init__(self, model: Any, fault: BaseException, counted: list[int]) -> None:
        super().__init__(model, room=4)
        self.fault, self.counted, self.poison = fault, counted, set[str]()

    def open(self, name: str, cut: Cut) -> None:
        if cut.seed == POISON:
            self.poison.add(name)
        super().open(name, cut)

    def step(self) -> list[Drawn]:
        self.counted.append(len(self._open))
        if self.poison & set(self._open):
            raise self.fault
        return super().step()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cell")
    site = Site(cell="eu-par", country="FR", city="Paris")
    make_home(folder, site, [], port=free_port(), model="pony", signing=own_key(folder), day=today())
    return folder


@pytest.fixture(scope="module")
def key(home) -> str:
    wanted = ["add", "Acme", "--cell", str(home), "--home", "EU", "--jurisdiction", "EU", "--class", "personal"]
    tenant = told(wanted)["id"]
    return str(told(["key", "add", tenant, "--cell", str(home)])["key"])


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model("pony")


def told(command: list[str]) -> Any:
    done = CliRunner().invoke(tenants, [*command, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@asynccontextmanager
async def running(home: Path, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """The cell, served in this loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUERRY_LISTEN__OPERATIONS_PORT", str(free_port()))  # the last cell's may not be free yet
        parts = build(load(home / "cell.toml"))
    stop, ready = asyncio.Event(), asyncio.Event()
    place = socket.create_server(("127.0.0.1", 0))
    serving_it = asyncio.create_task(LocalCell(parts).run(stop, lambda _: ready.set(), [place]))
    try:
        await asyncio.wait([serving_it, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        address = f"http://127.0.0.1:{place.getsockname()[1]}"
        async with httpx.AsyncClient(
            base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        ) as client:
            yield client
    finally:
        stop.set()
        try:
            await serving_it
        finally:
            place.close()
            parts.close()


async def submit(client: httpx.AsyncClient, seed: int, **more: object) -> str:
    wanted = {"prompt": "a red circle bounces up and down", "seconds": "2", "size": "64x64", "seed": seed, **more}
    answer = await client.post("/v1/videos", json=wanted)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def ended(client: httpx.AsyncClient, video: str, seconds: float = 180) -> str:
    async with asyncio.timeout(seconds):
        while True:
            status = str((await client.get(f"/v1/videos/{video}")).json()["status"])
            if status in ("completed", "failed"):
                return status
            await asyncio.sleep(0.1)


async def begun(client: httpx.AsyncClient, video: str) -> int:
    return int((await client.get(f"/v1/videos/{video}")).json()["progress"])


def with_fault(monkeypatch: pytest.MonkeyPatch, model: Any, fault: BaseException) -> list[int]:
    """Cells of this test have a poisoned engine; gives the films in each of its steps."""
    counted: list[int] = []
    monkeypatch.setattr(
        serving.local, "engine", lambda *_: EngineLoop(lambda: Poisoned(model, fault, counted), model.config)
    )
    return counted


@pytest.mark.parametrize(
    "fault", [RuntimeError("kernel"), MemoryError("out of memory"), OSError(12, "Cannot allocate memory")], ids=repr
)
def test_a_job_that_poisons_the_engine_fails_alone(home, key, model, monkeypatch, fault):
    with_fault(monkeypatch, model, fault)

    async def work(client: httpx.AsyncClient) -> list[str]:
        videos = [await submit(client, seed) for seed in (1, POISON, 2)]
        return [await ended(client, video) for video in videos]

    assert at(home, key, work) == ["completed", "failed", "completed"]


def test_a_cell_whose_engine_cannot_be_made_anew_is_not_ready_and_its_job_waits(home, key, model, monkeypatch):
    made: list[Poisoned] = []

    def once() -> Poisoned:
        if made:
            raise RuntimeError("the device is gone")
        made.append(Poisoned(model, RuntimeError("kernel"), []))
        return made[0]

    monkeypatch.setattr(serving.local, "engine", lambda *_: EngineLoop(once, model.config))

    async def work(client: httpx.AsyncClient) -> tuple[str, str]:
        video = await submit(client, POISON)
        async with asyncio.timeout(60):
            while (answer := await client.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.1)
        return answer.json()["missing"], (await client.get(f"/v1/videos/{video}")).json()["status"]

    missing, status = at(home, key, work)

    assert missing.startswith("the studio: ")
    assert status == "queued"


def test_a_picture_that_breaks_the_studios_decoder_costs_its_own_job_alone(home, key, model, monkeypatch):
    def broken(*_: object) -> None:
        raise SystemError("the decoder met something that its author did not think of")

    monkeypatch.setattr("serving.studio.studio.read_image", broken)

    async def work(client: httpx.AsyncClient) -> list[str]:
        picture = {"input_reference": {"image_url": data_uri()}}
        videos = [await submit(client, 1), await submit(client, 2, **picture), await submit(client, 3)]
        return [await ended(client, video) for video in videos]

    assert at(home, key, work) == ["completed", "failed", "completed"]


def test_a_cancelled_job_leaves_the_engine_and_the_next_one_has_it_to_itself(home, key, model, monkeypatch):
    counted = with_fault(monkeypatch, model, RuntimeError())

    async def work(client: httpx.AsyncClient) -> str:
        long = await submit(client, 1, seconds="12")
        while not counted:
            await asyncio.sleep(0.01)
        assert (await client.post(f"/v1/jobs/{long.removeprefix('video_')}/cancel")).status_code in (200, 202)
        await asyncio.sleep(1)
        steps = len(counted)
        await asyncio.sleep(1)
        assert len(counted) == steps  # no film, no step
        return await ended(client, await submit(client, 2))

    assert at(home, key, work) == "completed"
    assert set(counted) == {1}


def test_the_next_film_is_decoded_while_the_last_one_is_on_its_way_out(home, key, monkeypatch):
    held, deliver = threading.Event(), FilmMarking.deliver

    def slowly(marking: FilmMarking, sound: Sound) -> Delivery:
        held.wait(60)
        return deliver(marking, sound)

    monkeypatch.setattr(FilmMarking, "deliver", slowly)
    monkeypatch.setenv("EQUERRY_ENGINE__BATCH", "1")

    async def work(client: httpx.AsyncClient) -> tuple[list[int], list[str]]:
        videos = [await submit(client, seed) for seed in (1, 2, 3)]
        try:
            async with asyncio.timeout(60):
                while (progress := [await begun(client, video) for video in videos])[:2] != [99, 99]:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            progress = [await begun(client, video) for video in videos]
        finally:
            held.set()
        return progress, [await ended(client, video) for video in videos]

    progress, ends = at(home, key, work)

    assert progress == [99, 99, 0]  # as many on their way out as are decoded at once, and no more
    assert ends == ["completed"] * 3


def at(home: Path, key: str, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with running(home, key) as client:
            return await work(client)

    return asyncio.run(whole())


def data_uri() -> str:
    import base64

    file = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
