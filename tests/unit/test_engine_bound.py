"""A process that vLLM has started ends with the one that started it, and not at a terminal's word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ABOVE = """
import multiprocessing, signal, sys, time
from tests.unit.test_engine_bound import below
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background may ignore it
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=below, name=sys.argv[1], daemon=False)
    child.start()
    print(child.pid, flush=True)
    time.sleep(60)
"""


def below() -> None:
    """What the core of an engine does for whoever looks at it from outside."""
    from model.vllm_plugin.bound import bind

    bind()
    print("bound", flush=True)
    time.sleep(60)


def gone(process: int, within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def started(tmp_path):
    """A process and the one below it, which has bound itself if it is one of vLLM's."""
    script = tmp_path / "above.py"
    script.write_text(ABOVE, "utf-8")
    made = []

    def start(name: str) -> tuple[subprocess.Popen[bytes], int]:
        above = subprocess.Popen(
            [sys.executable, str(script), name],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert above.stdout is not None
        child = int(above.stdout.readline())
        assert above.stdout.readline() == b"bound\n"
        made.append((above, child))
        return above, child

    yield start
    for above, child in made:
        above.kill()
        above.communicate()
        if not gone(child, 0):
            os.kill(child, signal.SIGKILL)


def test_a_core_ends_when_its_cell_is_killed(started):
    above, child = started("EngineCore")

    above.kill()

    assert gone(child, 30)


def test_a_core_leaves_an_interrupt_to_its_cell(started):
    _, child = started("EngineCore")

    os.kill(child, signal.SIGINT)

    assert not gone(child, 0.5)


def test_another_process_below_a_cell_is_left_as_it_is(started):
    _, child = started("Decoder")

    os.kill(child, signal.SIGINT)

    assert gone(child, 30)
