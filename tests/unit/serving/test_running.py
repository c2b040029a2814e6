"""A cell's note of who runs it names one process, and none that came after it under the same number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.errors import Refused
from serving.running import RUNNING, Claim, who_runs


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """As much of a cell's settings as is read."""
    cell = SimpleNamespace(name="eu-par", origin="http://127.0.0.1:8000")
    return SimpleNamespace(folders=SimpleNamespace(state=tmp_path / "state"), cell=cell)


def test_a_cell_is_run_by_this_process_until_the_claim_ends(settings):
    with Claim(settings, "local"):
        during = who_runs(settings)

    assert during is not None
    assert (during["pid"], during["cell"], who_runs(settings)) == (os.getpid(), "eu-par", None)


def test_what_a_claim_tells_later_is_noted_too(settings):
    with Claim(settings, "local") as claim:
        claim.tell({"draining": True})

        assert (who_runs(settings) or {})["draining"] is True


def test_a_process_that_was_killed_runs_nothing(settings):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with Claim(settings, "local") as claim:
        claim.tell({"pid": gone.pid})

        assert who_runs(settings) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc says when a process began")
def test_another_process_that_has_the_number_of_a_killed_one_does_not_run_the_cell(settings):
    with Claim(settings, "local"):
        note = (settings.folders.state / RUNNING).read_text("utf-8")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (settings.folders.state / RUNNING).write_text(json.dumps(json.loads(note) | {"pid": other.pid}), "utf-8")

        assert who_runs(settings) is None
    finally:
        other.communicate(b"\n")


def test_a_process_of_another_user_runs_the_cell_all_the_same(settings, monkeypatch):
    with Claim(settings, "local"):
        monkeypatch.setattr(os, "kill", _forbidden)

        assert (who_runs(settings) or {})["pid"] == os.getpid()


def test_a_note_that_others_keep_is_said_and_is_not_taken_for_no_note(settings, monkeypatch):
    with Claim(settings, "local"):
        monkeypatch.setattr(Path, "read_text", _forbidden)

        with pytest.raises(Refused, match=r"running\.json is not yours to read"):
            who_runs(settings)


def _forbidden(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")
