"""Jobs, their events, checkpoints, usage, outbox and artefacts."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0001_pre"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    run(op.get_bind(), revision)
