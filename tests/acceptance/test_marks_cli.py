"""`equerry marks`: from a film that somebody has, intact or encoded anew, back to its entry in a cell's real log."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from model.clip import Film, Size
from model.media import encode_film, read_film
from model.train.codecs import any_scene
from model.world.render import render
from model.world.sound import sound
from policies.log.entry import Marked
from policies.log.proof import Proof
from serving.errors import Refused
from serving.home import Site, make_home, own_key, today
from serving.marks_cli import app
from serving.media.marks import open_marker
from serving.parts import own_ledger
from serving.settings_file import load


@dataclass(frozen=True)
class Kept:
    """A cell's folder, and films of it."""

    home: Path
    job: str
    intact: Path
    anew: Path
    strange: Path
    trust: Path


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Kept:
    home = tmp_path_factory.mktemp("cells") / "eu"
    site = Site(cell="eu-par", country="FR", city="Paris")
    settings = load(make_home(home, site, [], port=8000, model="pony", signing=own_key(home), day=today()))
    settings.folders.state.mkdir(mode=0o700)
    scene = any_scene(np.random.default_rng(5), Size(64, 64))
    film = Film(frames=render(scene, 16), fps=Fraction(8), sound=sound(scene, 16), rate=8_000)
    job, ledger = secrets.token_hex(16), own_ledger(settings)
    order: Any = SimpleNamespace(wish=SimpleNamespace(watermark=False), pieces=())
    named: Any = SimpleNamespace(id=job)
    made = open_marker(settings, ledger).deliver(film, named, order)
    digest = sha256(made.body).hexdigest()
    ledger.tell(
        Marked(ten=f"t-{'0' * 16}", req=f"r-{job}", out=digest, c2pa=made.c2pa, wm=made.watermark, vis=made.label)
    )
    ledger.close()
    films = {
        "intact": made.body,
        "anew": encode_film(read_film(made.body, fps=Fraction(8), rate=48_000)),
        "strange": encode_film(film),
    }
    paths = {name: home / f"{name}.mp4" for name in films}
    for name, body in films.items():
        paths[name].write_bytes(body)
    return Kept(home=home, job=job, trust=ledger.trust, **paths)


def run(*arguments: object):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize(("film", "by"), [("intact", ["file", "manifest", "watermark"]), ("anew", ["watermark"])])
def test_a_film_leads_to_its_entry_and_to_a_proof_of_it(kept, film, by, tmp_path):
    done = run(
        *("trace", getattr(kept, film), "--cell", kept.home, "--trust", kept.trust, "--proofs", tmp_path, "--json")
    )

    [found] = json.loads(done.stdout)["traced"]
    assert done.exit_code == 0
    assert (found["request"], found["by"], found["trusted"]) == (f"r-{kept.job}", by, True)
    [entry] = found["entries"]
    assert entry["entry"]["t"] == "output.marked"
    kept_proof = Proof.parse(next(tmp_path.glob("*.tlog-proof")).read_bytes())
    assert bytes(kept_proof).decode() == entry["proof"]


def test_people_are_told_in_words(kept):
    done = run("trace", kept.anew, "--cell", kept.home)

    assert f"leads to the request r-{kept.job} in " in done.stdout
    assert "proven" in done.stdout
    assert "signatures were not checked" in done.stdout


def test_a_film_that_was_not_made_here_leads_nowhere(kept):
    done = run("trace", kept.strange, "--cell", kept.home)

    assert done.exit_code == 1
    assert "No log that was given has a record of it." in done.stdout


@pytest.mark.parametrize(("film", "code"), [("intact", 0), ("anew", 0), ("strange", 1)])
def test_detect_says_what_is_left_of_the_marks(kept, film, code):
    done = run("detect", getattr(kept, film), "--cell", kept.home, "--json")

    assert (done.exit_code, json.loads(done.stdout)["generated"]) == (code, code == 0)


def test_without_a_key_only_the_manifest_is_read(kept):
    done = run("detect", kept.anew)

    assert done.exit_code == 1
    assert "Nobody looked for a watermark" in done.stdout


@pytest.mark.parametrize("film", ["no.mp4", "cell.toml"])
def test_what_is_no_film_is_refused_with_a_sentence(kept, film):
    done = run("detect", kept.home / film, "--cell", kept.home)

    assert isinstance(done.exception, Refused)


def test_a_trace_needs_a_log(kept):
    assert isinstance(run("trace", kept.intact).exception, Refused)
