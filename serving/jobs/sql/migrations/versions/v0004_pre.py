"""What tenants' objects take in the cell's store, counted before they are written."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0004_pre"
down_revision = "0003_post"


def upgrade() -> None:
    """Add two tables, which older workers do not know: the sweep counts what they write."""
    run(op.get_bind(), revision)
