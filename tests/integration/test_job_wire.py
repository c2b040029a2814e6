"""A Postgres that says nothing is given up; by itself a connection would wait for hours."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from serving.errors import Unavailable
from serving.jobs.rules import Rules
from serving.jobs.sql.store import open_store
from tests.integration.worlds import in_sql


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        yield f"postgresql://equerry@127.0.0.1:{place.getsockname()[1]}/jobs"


@pytest.mark.parametrize("migrated", [True, False])
def test_a_server_that_says_nothing_is_unavailable_soon(silent, migrated):
    told: list[BaseException] = []

    def start() -> None:
        try:
            open_store(silent, Rules(patience_ms=0), migrated=migrated)
        except Unavailable as error:
            told.append(error)

    began = time.monotonic()
    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    starting.join(30)

    assert [type(error) for error in told] == [Unavailable]
    assert time.monotonic() - began < 25


def test_a_server_that_vanishes_is_missed_by_every_connection(postgres_worlds):
    store = in_sql(postgres_worlds())
    try:
        for engine in (store._db._engine, store._db._reader):
            with engine.connect() as connection:
                told = cast("Any", connection.connection.dbapi_connection).info.get_parameters()
            assert {"connect_timeout", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"} <= set(told)
    finally:
        store.close()
