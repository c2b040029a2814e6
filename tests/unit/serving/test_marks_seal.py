"""Films that clients' files go into are signed in a process of their own: what breaks it breaks nothing else."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from serving.errors import Broken
from serving.media.marks import seal as sealing
from serving.media.marks.c2pa import Ingredient, Residency, Standing, inspect, sign
from serving.media.marks.seal import seal

RESIDENCY = Residency(
    origin="op.example/equerry/eu-par/residency/2026h2", request="ab" * 32, cell="eu-par", jurisdiction="EU"
)
PID = "0123456789ab"


@pytest.fixture(scope="module")
def picture():
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def sealed(mp4, credential, given, **more):
    return seal(mp4, credential, residency=RESIDENCY, pid=PID, ingredients=[Ingredient("source", given)], **more)


def acting(program):
    """A process that does this instead of signing."""
    return {"command": (sys.executable, "-c", program)}


def test_a_film_says_the_same_whether_it_was_signed_here_or_there(mp4, credential, picture):
    there = sealed(mp4, credential, picture)

    here = sign(mp4, credential, residency=RESIDENCY, pid=PID, ingredients=[Ingredient("source", picture)])
    assert inspect(there.body, credential.anchors) == inspect(here.body, credential.anchors)
    assert inspect(there.body, credential.anchors).standing is Standing.TRUSTED


def test_a_film_of_ours_that_comes_back_keeps_its_own_manifest(mp4, credential):
    before = sign(mp4, credential, residency=RESIDENCY, pid=PID).body

    assert inspect(sealed(mp4, credential, before).body, credential.anchors).manifests == 2


@pytest.mark.parametrize(
    "program",
    ["import os; os.abort()", "pass", "import sys; sys.stdout.write('no JSON\\n')", "print('{\"signed\": 9}')"],
    ids=["crashes", "says nothing", "babbles", "breaks off"],
)
def test_a_process_that_fails_gives_no_film_and_says_whose_fault_it_may_be(mp4, credential, picture, program):
    with pytest.raises(Broken, match="a piece of media that it was made from"):
        sealed(mp4, credential, picture, **acting(program))


def test_a_process_that_hangs_is_ended(mp4, credential, picture):
    with pytest.raises(Broken):
        sealed(mp4, credential, picture, seconds=0.3, **acting("import time; time.sleep(600)"))


def test_a_process_cannot_have_any_number_of_things_signed(mp4, credential, picture):
    asked = []

    def count(data):
        asked.append(data)
        return credential.sign(data)

    greedy = 'import sys\nwhile True: print(\'{"sign": "00"}\', flush=True); sys.stdin.readline()'
    with pytest.raises(Broken):
        sealed(mp4, replace(credential, sign=count), picture, **acting(greedy))

    assert len(asked) <= sealing.MOST_SIGNATURES + 1


def test_a_key_that_does_not_answer_is_called_by_its_name(mp4, credential, picture):
    def silent(_):
        raise OSError("the key store is away")

    with pytest.raises(Broken, match="the key does not answer"):
        sealed(mp4, replace(credential, sign=silent), picture)
