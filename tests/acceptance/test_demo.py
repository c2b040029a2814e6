"""The demonstration of two cells shows what it says, and leaves nothing running."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from fractions import Fraction

import pytest

from model.media import read_film
from serving.demo.border import ANNOUNCED, knock
from serving.demo.cells import DemoCell, free_ports
from serving.errors import Unavailable
from serving.home import Site


def answering(answer: bytes) -> int:
    """The port of a server that says this to whoever calls first, then hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with closing(listening), closing(listening.accept()[0]) as wire:
            wire.recv(65_536)
            wire.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


def test_a_refusal_is_told_with_what_the_cell_says():
    body = json.dumps({"error": {"message": "Go home."}}).encode()

    refusal = knock(answering(b"HTTP/1.1 421 Misdirected\r\nConnection: close\r\n\r\n" + body), "a-key")

    assert (refusal.status, refusal.text, refusal.invited) == (421, "Go home.", False)
    assert (refusal.announced, refusal.sent) == (ANNOUNCED, 0)


def test_a_cell_that_asks_for_the_body_is_noticed():
    assert knock(answering(b"HTTP/1.1 100 Continue\r\n\r\n"), "a-key").invited


def test_two_ports_side_by_side_are_free():
    port = free_ports()

    with closing(socket.create_server(("127.0.0.1", port))), closing(socket.create_server(("127.0.0.1", port + 1))):
        pass


def test_a_cell_that_does_not_start_says_why(tmp_path):
    cell = DemoCell(Site(cell="eu-par", country="FR", city="Paris"), tmp_path, free_ports())
    cell.start()

    with pytest.raises(Unavailable, match=r"eu-par ended while it started\. It said: .*cell\.toml"):
        cell.wait()


@pytest.mark.slow
def test_the_demonstration_makes_films_refuses_abroad_and_is_verified(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "equerry", "cell", "demo", "--out", str(tmp_path / "out")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    for name, seconds in (("ball", 2.0), ("face", 3.0), ("edit", 2.0)):
        film = read_film((tmp_path / "out" / f"{name}.mp4").read_bytes(), fps=Fraction(8), rate=8_000)
        assert film.seconds == seconds
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 10_000
    assert "jp-tyo answered 421" in done.stdout
    assert done.stdout.count("it holds.") == 2
    assert _processes(str(tmp_path)) == []
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith("torchinductor")}  # torch's own cache
    assert left == {"out"}


def _processes(word: str) -> list[str]:
    """Command lines of what runs on this machine, that hold a word."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if word in line and " cell up " in line]
