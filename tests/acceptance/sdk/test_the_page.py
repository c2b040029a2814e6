"""What docs/clients.md tells a reader to type works as it stands, but for the address and the key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from model.media import read_film

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("cell", ["real"], indirect=True)]


@pytest.fixture
def typed(cell, tmp_path):
    """Types the block that has this word in it, with this program; what it prints."""

    def run(word: str, *program: str) -> str:
        (block,) = [text for _, text in BLOCKS if word in text]
        here = block.replace("http://127.0.0.1:8100", cell["url"]).replace("eqk_eu-par_…", cell["keys"]["acme"])
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "CELL": cell["url"], "KEY": cell["keys"]["acme"]}
        done = subprocess.run(
            [*program, here], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def seconds(path: Path) -> float:
    return float(read_film(path.read_bytes(), fps=Fraction(8), rate=8_000).seconds)


def test_the_lines_for_openai_make_a_film_and_a_remix(typed, tmp_path):
    assert typed("from openai", sys.executable, "-W", "ignore", "-c").strip() == "completed"
    assert seconds(tmp_path / "ball.mp4") == 2.0


def test_the_lines_for_dashscope_make_a_film(typed, cell, python_of):
    told = typed("VideoSynthesis", str(python_of("dashscope", "newest")), "-c")

    assert told.startswith(f"SUCCEEDED {cell['url']}/")


def test_the_lines_for_curl_make_a_film(typed, tmp_path):
    typed("$CELL/v1/videos/$ID/content", "bash", "-euc")

    assert seconds(tmp_path / "film.mp4") == 2.0


def test_the_lines_for_the_native_interface_make_a_film(typed, tmp_path):
    typed("$CELL/v1/jobs/$JOB/content", "bash", "-euc")

    assert seconds(tmp_path / "film.mp4") == 2.0


def test_the_lines_for_a_refusal_are_refused(typed):
    assert typed("nobody reads this", "bash", "-euc").startswith("HTTP/1.1 401 ")
