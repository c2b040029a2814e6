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


@pytest.fixture(scope="session")
def sqlite_worlds(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    """Makes a file of jobs for each world."""
    return Sqlite(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="session")
def postgres_worlds(postgres: Server) -> Postgres:
    """Makes a database for each world."""
    return Postgres(postgres)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """One store of each kind, closed behind the test."""
    make = in_memory if request.param == "memory" else request.getfixturevalue(f"{request.param}_worlds")
    world = make()
    yield world
    world.store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def lasting(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world that other processes and connections share."""
    world = request.getfixturevalue(f"{request.param}_worlds")()
    yield world
    world.store.close()
