"""A cell that seals: clients notice nothing, its disk holds nothing that can be read, and erasure ends copies too."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving.sealed.box import MAGIC
from tests.acceptance.test_cell import Cell, made, submit
from tests.acceptance.test_meter import PATIENCE_S, meter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Iterator[Cell]:
    made_one = made(tmp_path_factory.mktemp("sealed") / "eu", "eu-par", "FR", "jp-tyo,JP,Tokyo")
    with (made_one.folder / "cell.toml").open("a") as settings:
        settings.write("\n[objects]\nsealed = true\n")
    try:
        made_one.up()
        yield made_one
    finally:
        if made_one.process is not None:
            made_one.process.kill()
            made_one.process.wait(30)


@pytest.fixture(scope="module")
def film(cell) -> str:
    return str(cell.finished(submit(cell), PATIENCE_S)["id"])


def stored(cell: Cell) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (cell.folder / "state" / "objects").rglob("*") if path.is_file()}


def checkpoints(cell: Cell) -> list[bytes]:
    with closing(sqlite3.connect(cell.folder / "state" / "jobs.sqlite", timeout=30)) as rows:
        return [codes for (codes,) in rows.execute("SELECT codes FROM checkpoints")]


def test_a_film_is_delivered_whole_and_in_ranges_with_its_pictures(cell, film):
    with cell.client() as client:
        whole = client.get(f"/v1/videos/{film}/content").content
        asked = [(0, 99), (len(whole) // 3, len(whole) // 2), (len(whole) - 100, len(whole) - 1)]
        parts = [client.get(f"/v1/videos/{film}/content", headers={"range": f"bytes={a}-{b}"}) for a, b in asked]
        still = client.get(f"/v1/videos/{film}/content", params={"variant": "thumbnail"}).content

    assert whole[4:8] == b"ftyp"
    assert [(part.status_code, part.content) for part in parts] == [(206, whole[a : b + 1]) for a, b in asked]
    assert still[:4] == b"RIFF"
    assert cell.verified() == []


def test_a_film_that_lies_sealed_can_be_the_source_of_another(cell, film):
    with cell.client() as client:
        told = client.post(f"/v1/videos/{film}/remix", json={"prompt": "a blue circle"}).json()

    assert cell.finished(told["id"], PATIENCE_S)["status"] == "completed"


def test_nothing_of_a_film_lies_readable_on_the_cells_disk(cell, film):
    bodies = stored(cell).values()

    assert len(bodies) >= 3
    assert all(body.startswith(MAGIC) for body in bodies)
    assert not any(word in body for body in bodies for word in (b"ftyp", b"c2pa", b"WEBP"))


def test_a_killed_cell_goes_on_from_sealed_checkpoints(cell, film):
    job = submit(cell, seconds="4", seed=9)
    end = time.monotonic() + PATIENCE_S
    while not (kept := checkpoints(cell)) and time.monotonic() < end:
        time.sleep(0.05)
    cell.stop(signal.SIGKILL)
    left = checkpoints(cell)
    cell.up()

    assert all(codes.startswith(MAGIC) for codes in (*kept, *left))
    assert left, "the film was done before the cell was killed"
    assert cell.finished(job, PATIENCE_S)["status"] == "completed"


def test_erasure_destroys_the_key_first_and_says_so_in_the_log(cell, film, tmp_path):
    copy = shutil.copytree(cell.folder / "state" / "objects", tmp_path / "copy")
    (done,) = json.loads(meter(cell, "erase", "--tenant", cell.tenant, "--yes", "--wait", PATIENCE_S, "--json"))

    with closing(sqlite3.connect(cell.folder / "state" / "jobs.sqlite", timeout=30)) as rows:
        keys = rows.execute("SELECT wrapped, destroyed FROM data_keys WHERE tenant = ?", [cell.tenant]).fetchall()
    assert [wrapped for wrapped, _ in keys] == [None]
    assert all(destroyed for _, destroyed in keys)
    assert len(done["proof"]["keys_destroyed"]) == 1
    assert not any((cell.folder / "state" / "objects" / cell.tenant).rglob("*.mp4"))
    assert any(copy.rglob("*.mp4")), "a copy is there, and is of no use to anybody"
    assert cell.verified() == []
