"""A marked and signed film in the players that people have: a browser without a window, and VLC without a screen.

Both are asked only where they are installed (`chromium`, `cvlc`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from datetime import UTC, datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from model.clip import Film, Size
from model.media import encode_film
from model.train.codecs import any_scene
from model.world.render import render
from serving.media.marks.certificate import development
from serving.media.marks.marker import CellMarker
from serving.media.marks.payload import pid_of

SECONDS = 3
PAGE = b"""<!doctype html><video id=v muted autoplay src=film.mp4></video><script>
const v = document.getElementById("v");
function tell(end) {
  const q = v.getVideoPlaybackQuality();
  fetch("told", {method: "POST", body: JSON.stringify({end, error: v.error && v.error.message, at: v.currentTime,
    seconds: v.duration, width: v.videoWidth, height: v.videoHeight, frames: q.totalVideoFrames,
    sound: v.webkitAudioDecodedByteCount})});
}
v.addEventListener("ended", () => tell("ended")); v.addEventListener("error", () => tell("error"));
</script>"""


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """The bytes of a film as a cell delivers it."""
    credential = development(tmp_path_factory.mktemp("marks"), "eu-par", datetime.now(UTC))
    marker = CellMarker(
        key=b"k" * 32, credential=credential, fetch=lambda _: b"", origin="o", cell="eu-par", jurisdiction="EU"
    )
    at = np.arange(8_000 * SECONDS) / 8_000
    film = Film(
        frames=render(any_scene(np.random.default_rng(5), Size(64, 64)), 8 * SECONDS),
        fps=Fraction(8),
        sound=(0.3 * np.sin(6.2832 * 440 * at)).astype(np.float32),
        rate=8_000,
    )
    return marker.sign(encode_film(marker.watermark(film, pid_of(b"k" * 32, "0" * 32))), "0" * 32).body


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed here")
def test_a_browser_plays_a_film_to_its_end(delivered, tmp_path):
    told = asked(delivered, tmp_path)

    assert told["error"] is None
    assert (told["end"], told["width"], told["height"]) == ("ended", 64, 64)
    assert told["at"] == pytest.approx(SECONDS, abs=0.1)
    assert told["frames"] >= 8 * SECONDS - 2  # a busy machine may drop the last
    assert told["sound"] > 0


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cvlc"), reason="VLC is not installed here")
def test_vlcs_libraries_play_a_film_to_its_end(delivered):
    """Frames come out as raw planes, and the sound beside them as 16-bit samples."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        path.write_bytes(delivered)
        path.parent.chmod(0o755)
        raw = "#transcode{vcodec=I420,acodec=s16l,channels=1}:std{access=file,mux=dummy,dst=-}"
        flags = ["--intf", "dummy", "--verbose", "1", "--sout", raw]

        done = subprocess.run(
            [*as_nobody(), "cvlc", *flags, str(path), "vlc://quit"],
            capture_output=True,
            timeout=120,
            check=True,
            env={"HOME": folder, "PATH": os.environ["PATH"]},
        )

    frames, samples = 64 * 64 * 3 // 2, 2
    assert len(done.stdout) == pytest.approx(8 * SECONDS * frames + 48_000 * SECONDS * samples, rel=0.05)


def asked(film: bytes, folder: Path) -> dict[str, Any]:
    """What a browser says of a film when it has played it, or has failed."""
    told: Queue[dict[str, Any]] = Queue()
    with HTTPServer(("127.0.0.1", 0), serving(film, told)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--disable-background-networking"]
        page = f"http://127.0.0.1:{server.server_port}/"
        with subprocess.Popen(
            ["chromium", *flags, f"--user-data-dir={folder}", page],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as browser:
            try:
                return told.get(timeout=180)
            finally:
                browser.terminate()
                server.shutdown()


def serving(film: bytes, told: Queue[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = (film, "video/mp4") if self.path == "/film.mp4" else (PAGE, "text/html")
            self.send_response(200 if self.path in ("/", "/film.mp4") else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    return Handler


def as_nobody() -> list[str]:
    """VLC refuses to run as root."""
    return ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
