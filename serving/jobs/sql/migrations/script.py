"""Running one file of SQL that belongs to a migration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from sqlalchemy import Connection


def run(connection: Connection, revision: str) -> None:
    """Run `vREVISION.DATABASE.sql`, inside the transaction that is open."""
    dialect = connection.dialect.name
    sql = (files(__package__) / f"v{revision}.{dialect}.sql").read_text(encoding="utf-8")
    for statement in _statements(sql) if dialect == "sqlite" else [sql]:
        connection.exec_driver_sql(statement)


def _statements(sql: str) -> Iterator[str]:
    """Statements one by one: SQLite takes no more at once, and a trigger has semicolons of its own."""
    held = ""
    for line in sql.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
