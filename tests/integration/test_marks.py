"""From a film that somebody has encoded anew, back to its job: a cell's marker with its real log, keys and files."""

from __future__ import annotations

import io
import secrets
import time
from dataclasses import replace
from fractions import Fraction
from random import Random
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.marks_treatments import PROMISED
from model.clip import Film, Size
from model.media import read_film
from model.train.codecs import any_scene
from model.world.render import render
from model.world.sound import sound
from serving.jobs.job import new_id
from serving.media.marks import Standing, credential, detect, inspect, open_marker, pid_of, watermark_key
from serving.media.marks.marker import request_digest
from serving.secret import draw_secret
from serving.settings import CellSettings

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
ORDER: Any = SimpleNamespace(wish=SimpleNamespace(watermark=False), pieces=())  # as much of one as a marker reads


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    return CellSettings.model_validate(
        {
            "cell": {
                "name": "eu-par",
                "jurisdiction": "EU",
                "provider": "own",
                "region": "eu-par-1",
                "origin": "http://127.0.0.1:8000",
            },
            "folders": {"state": tmp_path / "state", "scratch": tmp_path / "scratch"},
        }
    )


@pytest.fixture
def ledger():
    return SimpleNamespace(origin=ORIGIN)


def named(job: str) -> Any:
    """As much of a job as a marker reads."""
    return SimpleNamespace(id=job)


def film(seed, seconds=2):
    scene = any_scene(np.random.default_rng(seed), Size(64, 64))
    return Film(frames=render(scene, 8 * seconds), fps=Fraction(8), sound=sound(scene, 8 * seconds), rate=8_000)


@pytest.mark.parametrize("treatment", PROMISED)
def test_a_film_leads_back_to_its_job_whatever_was_done_to_it(settings, ledger, treatment):
    chance = Random(treatment)  # how often a mark is lost is measured, by `python -m benchmarks.marks`
    draw_secret(settings.folders.state / "watermark", chance.randbytes)
    marker = open_marker(settings, ledger)
    jobs = [named(new_id(chance.randbytes(16))) for _ in range(3)]
    known = {pid_of(watermark_key(settings), job.id): job.id for job in jobs}

    for seed, job in enumerate(jobs):
        body = marker.deliver(film(seed), job, ORDER).body
        treated = PROMISED[treatment](read_film(body, fps=Fraction(8), rate=48_000))

        found = detect(treated, watermark_key(settings))

        assert found is not None
        assert known.get(found.pid) == job.id


def test_a_cell_that_starts_again_knows_its_films(settings, ledger):
    job = named(new_id(secrets.token_bytes(16)))
    body = open_marker(settings, ledger).deliver(film(7), job, ORDER).body

    open_marker(settings, ledger)

    found = detect(body, watermark_key(settings))
    said = inspect(body, credential(settings).anchors)
    assert found is not None
    assert found.pid == pid_of(watermark_key(settings), job.id) == said.pid
    assert said.standing is Standing.TRUSTED
    assert said.residency is not None
    assert (said.residency.origin, said.residency.request) == (ORIGIN, request_digest(job.id))


def test_a_delivered_film_plays_from_its_beginning_to_its_end(settings, ledger):
    body = open_marker(settings, ledger).deliver(film(1), named("0" * 32), ORDER).body

    with av.open(io.BytesIO(body), "r") as container:
        packets = [packet for packet in container.demux() if packet.size]
        decoded = [frame for packet in packets for frame in packet.decode()]

    assert body[4:8] == b"ftyp"
    assert sum(isinstance(frame, av.VideoFrame) for frame in decoded) == 16


def test_marking_takes_a_small_part_of_a_second(settings, ledger):
    marker, made = open_marker(settings, ledger), film(2)
    marker.deliver(made, named("0" * 32), ORDER)
    begun = time.process_time()

    marker.deliver(replace(made), named("1" * 32), ORDER)

    assert time.process_time() - begun < 2  # seconds of one processor; about 0.2 on an idle machine
