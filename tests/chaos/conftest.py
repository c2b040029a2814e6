"""A Postgres server that a test may kill."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.postgres import Server, missing


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server of this test's own; skips with the reason when there can be none."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="equerry-pg-"))  # short: a socket's path has 107 characters at most
    server = Server(home)
    server.start()
    yield server
    with suppress(AssertionError):  # the test has left it dead
        server.stop("immediate")
    shutil.rmtree(home)
