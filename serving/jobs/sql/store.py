"""A job store in SQLite or Postgres."""

from __future__ import annotations

from pathlib import Path

from serving.errors import Unavailable
from serving.jobs.rules import Rules
from serving.jobs.sql.accounts import SqlAccounts
from serving.jobs.sql.bench import SqlBench
from serving.jobs.sql.counter import SqlCounter
from serving.jobs.sql.database import Database
from serving.jobs.sql.keep import SqlKeep
from serving.jobs.sql.migrate import GENERATION, migrate
from serving.jobs.sql.postgres import CONNECTIONS, open_postgres
from serving.jobs.sql.room import SqlRoom
from serving.jobs.sql.sqlite import Clock, open_sqlite, wall_ms


class SqlStore(SqlCounter, SqlBench, SqlKeep, SqlAccounts, SqlRoom):
    """Keeps the promises of `serving.jobs.store.Store` with one database."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._db = database
        self.rules = rules
        self._check_floor()

    def _check_floor(self) -> None:
        least = int(self._db.read("floor")[0]["least"])
        if least > GENERATION:
            raise Unavailable(
                f"The job store's tables need workers of generation {least}; this one has {GENERATION}. Upgrade it."
            )


def open_store(
    address: str,
    rules: Rules | None = None,
    *,
    migrated: bool = True,
    clock: Clock = wall_ms,
    connections: int = CONNECTIONS,
) -> SqlStore:
    """The store at `sqlite:///FILE` or `postgresql://…`.

    `migrated` brings the tables up to date first; a fleet does that once, by `migrate`, and leaves it out here. `clock`
    is SQLite's; Postgres has its own. Raises Unavailable.
    """
    rules = rules or Rules()
    database = _database(address, rules, clock, connections)
    try:
        if migrated:
            migrate(database)
        return SqlStore(database, rules)
    except BaseException:
        database.close()
        raise


def _database(address: str, rules: Rules, clock: Clock, connections: int) -> Database:
    if address.startswith("sqlite:///"):
        return open_sqlite(Path(address.removeprefix("sqlite:///")), rules, clock)
    if address.startswith(("postgresql://", "postgres://")):
        return open_postgres(address.replace("postgres://", "postgresql://", 1), rules, connections)
    raise Unavailable("The job store's address is neither sqlite:///FILE nor postgresql://…. Correct the settings.")
