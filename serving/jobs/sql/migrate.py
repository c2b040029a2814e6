"""Bringing a store's tables up to date, so that old and new workers overlap.

A roll-out is `migrate(database, "pre")`, then new workers beside old ones, then `migrate(database, "post")` when the
last old one has gone. A cell in one process does both at once.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from serving.jobs.sql.database import Database

#: Of this code. A store whose floor is above it has been tightened for newer workers.
GENERATION = 5


def migrate(database: Database, half: Literal["pre", "post"] = "post") -> None:
    """Apply all changes up to the newest of this half. May be called by several processes at once, and again."""
    with as_file(files("serving.jobs.sql.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("version_locations", str(folder / "versions").replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        target = _newest(config, half)
        with database.exclusively() as connection:
            if _applied(connection) < _place(target):
                config.attributes["connection"] = connection
                command.upgrade(config, target)


def _newest(config: Config, half: str) -> str:
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    return next(r.revision for r in revisions if r.revision.endswith(half))


def _applied(connection: Connection) -> tuple[str, bool]:
    """How far the tables are. They may be further than this code knows, when newer workers have come first."""
    return max(map(_place, MigrationContext.configure(connection).get_current_heads()), default=("", False))


def _place(revision: str) -> tuple[str, bool]:
    """Sorts revisions: by number, *pre* before *post*."""
    number, _, half = revision.partition("_")
    return number, half == "post"
