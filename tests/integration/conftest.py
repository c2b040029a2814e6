"""A Postgres server for all tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Server, missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server; skips with the reason when there can be none."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="equerry-pg-"))  # short: a socket's path has 107 characters at most
    server = Server(home)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(home)
