"""The three stores, each with a clock that a test can set."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from serving.jobs.memory import MemoryStore
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store
from serving.jobs.store import Store
from tests.postgres import Server

START = 1_800_000_000_000  # ms
RULES = Rules(poll_ms=200)
_numbers = count()

SET_CLOCK = """
CREATE TABLE test_clock (ms BIGINT NOT NULL);
INSERT INTO test_clock VALUES (1800000000000);
CREATE OR REPLACE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql STABLE AS $$ SELECT ms FROM test_clock $$;
"""


@dataclass(slots=True)
class World:
    """A store and its clock."""

    store: Store
    clock: Callable[[int], None]  # sets the database's clock, ms
    address: str  # for another process; empty when there can be none
    now: int = START

    def jump(self, ms: int) -> None:
        """Let time pass at once."""
        self.now += ms
        self.clock(self.now)


def in_memory() -> World:
    """The twin."""
    time = [START]
    return World(MemoryStore(lambda: time[0], RULES), lambda ms: time.__setitem__(0, ms), "")


class Sqlite:
    """Makes worlds from a copy of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        open_store(f"sqlite:///{folder / 'empty.db'}", RULES).close()

    def __call__(self) -> World:
        time = [START]
        path = self._folder / f"{next(_numbers)}.db"
        shutil.copy(self._folder / "empty.db", path)
        store = open_store(f"sqlite:///{path}", RULES, migrated=False, clock=lambda: time[0])
        return World(store, lambda ms: time.__setitem__(0, ms), f"sqlite:///{path}")


class Postgres:
    """Makes worlds from a template of one migrated database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._template = f"template_{next(_numbers)}"
        self._create(self._template, "template0")
        open_store(server.address(self._template), RULES).close()
        with psycopg.connect(server.address(self._template), autocommit=True) as wire:
            wire.execute(SET_CLOCK)

    def __call__(self) -> World:
        name = f"jobs_{next(_numbers)}"
        self._create(name, self._template)
        address = self._server.address(name)
        return World(open_store(address, RULES, migrated=False), lambda ms: _set_clock(address, ms), address)

    def _create(self, name: str, template: str) -> None:
        with psycopg.connect(self._server.address(), autocommit=True) as wire:
            wire.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def _set_clock(address: str, ms: int) -> None:
    with psycopg.connect(address, autocommit=True) as wire:
        wire.execute("UPDATE test_clock SET ms = %s", [ms])


def in_sql(world: World) -> SqlStore:
    """The world's store, which is one in SQL."""
    assert isinstance(world.store, SqlStore)
    return world.store
