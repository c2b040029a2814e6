"""A Postgres server for all tests of this folder, and a world of jobs in each kind of store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worlds import Postgres, Sqlite, World, in_memory
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


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One store of each kind, closed behind the test."""
    match request.param:
        case "memory":
            world = in_memory()
        case "sqlite":
            world = Sqlite(tmp_path_factory.mktemp("jobs"))()
        case _:
            world = Postgres(request.getfixturevalue("postgres"))()
    yield world
    world.store.close()
