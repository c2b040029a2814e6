"""Data keys of tenants, wrapped by the cell's key, under which films, sources and checkpoints are sealed."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0003_pre"
down_revision = "0002_post"


def upgrade() -> None:
    """Add a table, which older workers do not know."""
    run(op.get_bind(), revision)
