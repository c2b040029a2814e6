"""A cell to talk to, and the clients' own virtual environments.

Everything runs three times: against a stand-in in this process, whose tenants are settled as `stand_in.HOUSES` says,
against a real cell in one process, and against a real one on Ray, where Ray is installed. Real cells have the tenants
that `real` names; what needs another one is left out there. `EQUERRY_TEST_CELL` names a JSON file
`{"url": …, "keys": {name: key}}` of a running cell, which then takes the place of all three. `EQUERRY_SDKS` is the
folder that keeps the environments, one for each version, made on demand with pip.
"""

from __future__ import annotations

import fcntl
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.acceptance.sdk.real import real_cell
from tests.acceptance.sdk.stand_in import KEYS, running

SDKS = Path(os.environ.get("EQUERRY_SDKS", "~/.cache/equerry/sdks")).expanduser()
HERE = Path(__file__).parent
MINUTES = 60  # seconds


NAMED = os.environ.get("EQUERRY_TEST_CELL")
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed; see make setup-engine"
)
REAL = {"real": "local", "ray": "ray"}  # the runtimes of the real cells
CELLS = [
    "stand-in",
    pytest.param("real", marks=pytest.mark.slow),
    pytest.param("ray", marks=[pytest.mark.slow, needs_ray]),
]


@pytest.fixture(scope="session", params=["named"] if NAMED else CELLS)
def cell(request, tmp_path_factory):
    """Address and keys of the cell under test: `{"url": …, "keys": {tenant: key}}`; real ones say their `hands` too."""
    if NAMED:
        yield json.loads(Path(NAMED).read_text())
    elif request.param in REAL:
        with real_cell(tmp_path_factory.mktemp("cell") / "eu", REAL[request.param]) as told:
            yield told
    else:
        with running() as url:
            yield {"url": url, "keys": {tenant: key for key, tenant in KEYS.items()}}


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="session")
def python_of():
    """The Python of an environment that holds one version of a package; skips where it cannot be made."""

    def python(package: str, version: str) -> Path:
        folder = SDKS / f"{package}-{version}"
        SDKS.mkdir(parents=True, exist_ok=True)
        with (SDKS / f"{folder.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this run may want the same
            if not (folder / ".done").exists():
                _install(folder, package if version == "newest" else f"{package}=={version}")
        return folder / "bin" / "python"

    return python


def _install(folder: Path, wanted: str) -> None:
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=5 * MINUTES
        )
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted]
        subprocess.run(pip, check=True, capture_output=True, timeout=10 * MINUTES)
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        pytest.skip(f"{wanted} cannot be installed here: {said[-1] if said else error}")
    (folder / ".done").touch()


@pytest.fixture(scope="session")
def drive(cell, png, python_of):
    """Runs a client's script in its own environment against the cell, and returns what it saw."""

    def run(package: str, version: str, **more: object) -> dict[str, Any]:
        told = {**cell, "png": png.hex(), **more}
        script = HERE / f"{package}_script.py"
        done = subprocess.run(
            [str(python_of(package, version)), "-I", str(script)],
            input=json.dumps(told).encode(),
            capture_output=True,
            timeout=30 * MINUTES,  # of a real cell on a busy machine
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-3_000:]
        return json.loads(done.stdout)

    return run
